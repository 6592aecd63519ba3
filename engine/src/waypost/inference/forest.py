"""A fitted forest of scikit-learn as ONNX graphs that find its leaves, and a table of what they say.

The graphs answer with numbers of leaves, which float32 holds exactly; what the leaves say is added up in
float64 and tree after tree, as scikit-learn does. So the sums are the same bits, for one row and for a
million. Thresholds are rounded down to float32: for features in float32 that changes no comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from waypost.inference.table import FEW_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Features = NDArray[np.float32]

# The newest that the oldest supported ONNX Runtime reads.
_OPSET, _ML_OPSET, _IR = 17, 3, 10
MOST_LEAVES = 2**24
"""More leaves than that have no exact number in float32."""

Graph = bytes | Path
"""An ONNX model: its bytes, or the file that holds them."""

_OUTPUT = ["leaf"]
# Rows per call, so that calling costs little; rows per sum, so that the sums stay in the cache.
_CALL_ROWS, _SUM_ROWS = 16_384, 1024


@dataclass(frozen=True)
class Stored:
    """A forest as it is stored. `row` finds the leaves of all trees for a row at a time, `batch` those of
    all rows for a tree at a time. leaves: what they say, shape (leaves of all trees, outputs).
    """

    row: Graph
    batch: Graph
    leaves: Floats

    def save(self, folder: Path) -> None:
        """Writes a form that was just made into a folder."""
        for name, graph in (("row.onnx", self.row), ("batch.onnx", self.batch)):
            if isinstance(graph, bytes):
                (folder / name).write_bytes(graph)
        np.save(folder / "leaves.npy", self.leaves)

    @classmethod
    def load(cls, folder: Path) -> Stored:
        """Returns the form in a folder; its graphs are read when they are asked."""
        return cls(folder / "row.onnx", folder / "batch.onnx", np.load(folder / "leaves.npy"))


def stored_form(trees: list[Any], features: int, *, with_missing: bool = False) -> Stored:
    """Returns the form of scikit-learn's trees (`tree_`). Operator: ai.onnx.ml TreeEnsembleRegressor.

    Args: with_missing: NaN goes the way that each node has for it; without, none may come.
    """
    values = [tree.value[tree.children_left < 0, 0, :] for tree in trees]
    starts = np.cumsum([0, *map(len, values)]).tolist()
    node = partial(_node, with_missing=with_missing)
    alone = [node([tree], [start], f"leaf{start}") for tree, start in zip(trees, starts, strict=False)]
    return Stored(
        _graph([node(trees, starts, *_OUTPUT)], len(trees), features),
        _graph(alone, 1, features),
        np.ascontiguousarray(np.concatenate(values), dtype=np.float64),
    )


def leading_feature(trees: list[Any]) -> int:
    """Returns the feature by which trees part the most rows."""
    rows = np.zeros(max(tree.n_features for tree in trees))
    for tree in trees:
        inner = tree.children_left >= 0
        np.add.at(rows, tree.feature[inner], tree.n_node_samples[inner])
    return int(rows.argmax())


def _node(trees: list[Any], starts: list[int], output: str, *, with_missing: bool) -> Any:
    """Returns the operator from features to numbers of leaves, a column for each tree; the leaves of a
    tree are numbered from its start.
    """
    from onnx import helper

    nodes: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("tree", "id", "feature", "value", "yes", "no", "mode", "missing")
    }
    leaves: dict[str, list[NDArray[Any]]] = {name: [] for name in ("tree", "node", "number")}
    for number, tree in enumerate(trees):
        is_leaf = tree.children_left < 0
        nodes["tree"].append(np.full(tree.node_count, number))
        nodes["id"].append(np.arange(tree.node_count))
        nodes["feature"].append(np.where(is_leaf, 0, tree.feature))
        nodes["value"].append(np.where(is_leaf, 0.0, _rounded_down(tree.threshold)))
        nodes["yes"].append(np.where(is_leaf, 0, tree.children_left))
        nodes["no"].append(np.where(is_leaf, 0, tree.children_right))
        nodes["mode"].append(np.where(is_leaf, "LEAF", "BRANCH_LEQ"))
        nodes["missing"].append(np.where(is_leaf, 0, tree.missing_go_to_left))
        at = np.flatnonzero(is_leaf)
        leaves["tree"].append(np.full(len(at), number))
        leaves["node"].append(at)
        leaves["number"].append(np.arange(starts[number], starts[number] + len(at), dtype=np.float64))
    node, leaf = (
        {name: np.concatenate(parts).tolist() for name, parts in table.items()} for table in (nodes, leaves)
    )
    # Only where it is needed: ONNX Runtime looks at each value twice then.
    missing = (
        {"nodes_missing_value_tracks_true": node["missing"]} if with_missing and any(node["missing"]) else {}
    )
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        [output],
        domain="ai.onnx.ml",
        nodes_treeids=node["tree"],
        nodes_nodeids=node["id"],
        nodes_featureids=node["feature"],
        nodes_modes=node["mode"],
        nodes_values=node["value"],
        nodes_truenodeids=node["yes"],
        nodes_falsenodeids=node["no"],
        target_treeids=leaf["tree"],
        target_nodeids=leaf["node"],
        target_ids=leaf["tree"],
        target_weights=leaf["number"],
        n_targets=len(trees),
        aggregate_function="SUM",
        post_transform="NONE",
        **missing,
    )


def _rounded_down(thresholds: Floats) -> Features:
    """Returns the largest float32 that is not above each threshold."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


def _graph(nodes: list[Any], width: int, features: int) -> bytes:
    from onnx import TensorProto, helper

    given = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, features])
    answers = [helper.make_tensor_value_info(n.output[0], TensorProto.FLOAT, [None, width]) for n in nodes]
    graph = helper.make_graph(nodes, "forest", [given], answers)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())


class Forest:
    """Adds up what the trees say; any number of threads may ask at once."""

    def __init__(self, stored: Stored, trees: int, leading: int) -> None:
        self._stored = stored
        self._leading = leading
        self._leaves = stored.leaves
        self._trees = trees
        # NumPy adds rows up in their order, but numbers that lie side by side in pairs.
        self._one_after_another: Callable[[Floats], Floats] = (
            np.add.reduce if stored.leaves.shape[1] > 1 else _accumulated
        )

    @cached_property
    def _row(self) -> Any:
        return _session(self._stored.row)

    @cached_property
    def _batch(self) -> Any:
        return _session(self._stored.batch)

    def warm(self) -> None:
        """Makes ready what the first request would wait for."""
        _ = self._row

    def means(self, features: Features) -> Floats:
        """Returns the mean of the trees' answers, shape (rows, outputs), for features (rows, features)."""
        rows = len(features)
        if rows == 1:  # the path of a single request
            return self._sum_of(self._row.run(_OUTPUT, {"X": features})[0][0])[None] / self._trees
        sums = np.empty((rows, self._leaves.shape[1]))
        if rows <= FEW_ROWS:
            (found,) = self._row.run(_OUTPUT, {"X": features})
            for row, leaves in enumerate(found):
                sums[row] = self._sum_of(leaves)
        else:
            for start in range(0, rows, _CALL_ROWS):
                part = slice(start, start + _CALL_ROWS)
                # Neighbours that take the same ways through the trees are quicker to follow.
                order = np.argsort(features[part, self._leading])
                found = self._batch.run(None, {"X": features[part][order]})
                self._add_up(found, sorted_sums := np.empty_like(sums[part]))
                sums[part][order] = sorted_sums
        sums /= self._trees
        return sums

    def _sum_of(self, leaves: Features) -> Floats:
        """Returns the sum of what leaves say, shape (outputs,), for their numbers, shape (trees,)."""
        # "clip" looks at no number twice; all are in the table.
        values = self._leaves.take(leaves.astype(np.int64), 0, None, "clip")
        return self._one_after_another(values)

    def _add_up(self, found: list[Features], sums: Floats) -> None:
        """Adds up what leaves say: per tree their numbers, shape (rows, 1)."""
        sums[:] = 0
        values = np.empty((_SUM_ROWS, sums.shape[1]))
        for start in range(0, len(sums), _SUM_ROWS):
            part = sums[start : start + _SUM_ROWS]
            for leaves in found:
                numbers = leaves[start : start + _SUM_ROWS, 0].astype(np.int64)
                np.take(self._leaves, numbers, axis=0, out=values[: len(part)], mode="clip")
                part += values[: len(part)]


def _accumulated(values: Floats) -> Floats:
    sums: Floats = np.add.accumulate(values)[-1]
    return sums


def _session(graph: Graph) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Rows are spread over threads by whoever asks: a session's own would add up in another order.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep what the largest call needed
    source = graph if isinstance(graph, bytes) else str(graph)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
