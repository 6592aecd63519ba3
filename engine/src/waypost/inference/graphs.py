"""Trees as ONNX graphs, evaluated by ONNX Runtime without the extension: graphs find leaves, NumPy adds up.

The graphs return leaf numbers, which float32 represents exactly; the values of the leaves are added up in
float64, tree after tree, as libraries do. So the sums have the same bits, for one row and for a million.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from waypost.inference.trees import Array, Floats, Tree, Trees, laid_out

# The newest version that the oldest supported ONNX Runtime reads.
_OPSET, _ML_OPSET, _IR = 17, 3, 10
_OUTPUT = ["leaf"]
_SUM_ROWS = 1024  # rows per sum, so that the sums stay in the cache


class GraphWalk:
    """Adds up the values of trees. Thread-safe."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        self._values = trees.values.astype(np.float32) if trees.is_single else trees.values
        self._start = trees.start.astype(self._values.dtype)
        # NumPy adds rows in order, but contiguous numbers pairwise.
        self._one_after_another: Callable[[Array], Array] = (
            np.add.reduce if trees.outputs > 1 else _accumulated
        )

    @cached_property
    def _row(self) -> Any:
        return _session(row_graph(self._trees))

    @cached_property
    def _batch(self) -> Any:
        return _session(batch_graph(self._trees))

    def warm(self) -> None:
        """Prepares what the first request would otherwise wait for."""
        _ = self._row

    def of_row(self, features: array[float]) -> Sequence[float]:
        """Returns the sums for one row."""
        found: list[float] = self.of_few(np.frombuffer(features, self._trees.dtype)[None])[0].tolist()
        return found

    def of_few(self, features: Array) -> Floats:
        """Returns the sums for a few rows, shape (rows, outputs)."""
        (found,) = self._row.run(_OUTPUT, {"X": features})
        return np.array([self._sum_of(leaves) for leaves in found], dtype=np.float64)

    def of_many(self, features: Array) -> Floats:
        """Returns the sums for many rows, shape (rows, outputs)."""
        found = self._batch.run(None, {"X": features})
        sums = np.empty((len(features), self._trees.outputs), dtype=self._values.dtype)
        self._add_up(found, sums)
        return sums.astype(np.float64, copy=False)

    def _sum_of(self, leaves: Array) -> Array:
        """Returns the sum of leaf values, shape (outputs,), for leaf numbers, shape (trees,)."""
        # "clip" skips the bounds check; all numbers are in the table.
        values = self._values.take(leaves.astype(np.int64), 0, None, "clip")
        values = values.reshape(-1, self._trees.outputs)
        return self._one_after_another(np.concatenate([self._start[None], values]))

    def _add_up(self, found: list[Array], sums: Array) -> None:
        """Adds up leaf values, for leaf numbers per tree, shape (rows, 1)."""
        sums[:] = self._start
        per_leaf, outputs = self._values.shape[1], self._trees.outputs
        values = np.empty((_SUM_ROWS, per_leaf), dtype=sums.dtype)
        for start in range(0, len(sums), _SUM_ROWS):
            part = sums[start : start + _SUM_ROWS]
            for number, leaves in enumerate(found):
                first = number * per_leaf % outputs
                numbers = leaves[start : start + _SUM_ROWS, 0].astype(np.int64)
                np.take(self._values, numbers, axis=0, out=values[: len(part)], mode="clip")
                part[:, first : first + per_leaf] += values[: len(part)]


def _accumulated(values: Array) -> Array:
    sums: Array = np.add.accumulate(values)[-1]
    return sums


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The caller spreads rows over threads: a session's own threads would add in another order.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the memory of the largest call
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def row_graph(trees: Trees) -> bytes:
    """Returns the graph that finds the leaves of all trees, a row at a time."""
    return _graph(trees, [_operator(trees, list(trees.spans()), _OUTPUT[0])], len(trees.roots))


def batch_graph(trees: Trees) -> bytes:
    """Returns the graph that finds the leaves of all rows, a tree at a time."""
    alone = [_operator(trees, [span], f"leaf{number}") for number, span in enumerate(trees.spans())]
    return _graph(trees, alone, 1)


def _operator(trees: Trees, spans: Sequence[tuple[int, int]], output: str) -> Any:
    """Returns the operator from features to leaf numbers, a column per tree.

    Operator: ai.onnx.ml TreeEnsembleRegressor.
    """
    from onnx import NodeProto

    start, end = spans[0][0], spans[-1][1]
    is_leaf = trees.is_leaf[start:end]
    sizes = [last - first for first, last in spans]
    tree = np.repeat(np.arange(len(spans)), sizes)
    number = np.concatenate([np.arange(size) for size in sizes])
    first = np.where(is_leaf, 0, number + trees.below[start:end])
    before = int(np.count_nonzero(trees.is_leaf[:start]))
    leaves = np.arange(before, before + np.count_nonzero(is_leaf), dtype=trees.dtype)
    node = NodeProto(op_type="TreeEnsembleRegressor", domain="ai.onnx.ml", input=["X"], output=[output])
    _numbers(node, "nodes_treeids", tree)
    _numbers(node, "nodes_nodeids", number)
    _numbers(node, "nodes_featureids", trees.feature[start:end])
    _texts(node, "nodes_modes", np.where(is_leaf, b"LEAF", b"BRANCH_LEQ"))
    _reals(node, "nodes_values", np.where(is_leaf, 0, trees.threshold[start:end]).astype(trees.dtype))
    _numbers(node, "nodes_truenodeids", first)
    _numbers(node, "nodes_falsenodeids", np.where(is_leaf, 0, first + 1))
    _numbers(node, "target_treeids", tree[is_leaf])
    _numbers(node, "target_nodeids", number[is_leaf])
    _numbers(node, "target_ids", tree[is_leaf])
    _reals(node, "target_weights", leaves)
    node.attribute.add(name="n_targets", type="INT", i=len(spans))
    node.attribute.add(name="aggregate_function", type="STRING", s=b"SUM")
    node.attribute.add(name="post_transform", type="STRING", s=b"NONE")
    missing = trees.missing_first[start:end] & ~is_leaf
    if missing.any():  # only if needed: ONNX Runtime then checks each value twice
        _numbers(node, "nodes_missing_value_tracks_true", missing)
    return node


def _numbers(node: Any, name: str, values: Array) -> None:
    node.attribute.add(name=name, type="INTS").ints.extend(values.astype(np.int64).tolist())


def _texts(node: Any, name: str, values: Array) -> None:
    node.attribute.add(name=name, type="STRINGS").strings.extend(values.tolist())


def _reals(node: Any, name: str, values: Array) -> None:
    if values.dtype == np.float32:
        node.attribute.add(name=name, type="FLOATS").floats.extend(values.tolist())
        return
    from onnx import numpy_helper

    attribute = node.attribute.add(name=f"{name}_as_tensor", type="TENSOR")
    attribute.t.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _graph(trees: Trees, nodes: list[Any], width: int) -> bytes:
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT if trees.dtype == np.float32 else TensorProto.DOUBLE
    given = helper.make_tensor_value_info("X", kind, [None, trees.width])
    answers = [helper.make_tensor_value_info(n.output[0], TensorProto.FLOAT, [None, width]) for n in nodes]
    graph = helper.make_graph(nodes, "forest", [given], answers)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())


def of_graph(file: Path, leaves: Floats) -> Trees:
    """Returns the trees of a form of Waypost 1.0.0: a graph that returns leaf numbers, and leaf values."""
    import onnx

    model = onnx.load(str(file))
    (node,) = model.graph.node
    found = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    is_leaf = np.array(found["nodes_modes"]) == b"LEAF"
    size = len(is_leaf)
    values = np.zeros((size, leaves.shape[1]))
    values[is_leaf] = leaves  # a leaf's number was its position among all leaves
    names = ("nodes_treeids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_featureids")
    tree, left, right, feature = (np.array(found[name], dtype=np.int64) for name in names)
    threshold = np.array(found["nodes_values"], dtype=np.float64)
    missing: NDArray[Any] = np.array(found.get("nodes_missing_value_tracks_true") or [0] * size)
    ends = np.flatnonzero(np.diff(tree, append=-1)) + 1
    parts = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    given = [
        Tree(
            np.where(is_leaf[at], -1, left[at]),
            right[at],
            feature[at],
            threshold[at],
            missing[at],
            values[at],
        )
        for at in parts
    ]
    width = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    return laid_out(given, width, np.zeros(leaves.shape[1]))
