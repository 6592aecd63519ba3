"""A fitted forest of scikit-learn as an ONNX graph that gives the same sums, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The newest that the oldest supported ONNX Runtime reads; trees in float64 came with ai.onnx.ml 3.
_OPSET, _ML_OPSET, _IR = 17, 3, 10


def graph_of(trees: list[Any], classes: int, features: int) -> bytes:
    """Returns the ONNX model of a forest's trees: `X` float64 (rows, features) to `label` int64 (rows,),
    the class's number, and `sums` float32 (rows, at least 3), the trees' probabilities per class, added up.

    Operator: ai.onnx.ml TreeEnsembleClassifier. It adds up in float64 and tree after tree, as
    scikit-learn does, so that the label is the same where two classes are as good as equal. For two
    classes ONNX Runtime compares with 0.5 instead; a third one, which no leaf knows, prevents that.
    """
    from onnx import TensorProto, helper, numpy_helper

    columns = max(classes, 3)
    nodes: dict[str, list[NDArray[Any]]] = {
        name: [] for name in ("tree", "id", "feature", "value", "yes", "no")
    }
    leaves: dict[str, list[NDArray[Any]]] = {name: [] for name in ("tree", "node", "class", "weight")}
    modes: list[str] = []
    for number, tree in enumerate(trees):
        is_leaf = tree.children_left < 0
        nodes["tree"].append(np.full(tree.node_count, number))
        nodes["id"].append(np.arange(tree.node_count))
        nodes["feature"].append(np.where(is_leaf, 0, tree.feature))
        nodes["value"].append(np.where(is_leaf, 0.0, tree.threshold))
        nodes["yes"].append(np.where(is_leaf, 0, tree.children_left))
        nodes["no"].append(np.where(is_leaf, 0, tree.children_right))
        modes += np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist()
        at = np.flatnonzero(is_leaf)
        leaves["tree"].append(np.full(len(at) * classes, number))
        leaves["node"].append(np.repeat(at, classes))
        leaves["class"].append(np.tile(np.arange(classes), len(at)))
        leaves["weight"].append(tree.value[at, 0, :].ravel())
    node, leaf = ({k: np.concatenate(v) for k, v in table.items()} for table in (nodes, leaves))
    operator = helper.make_node(
        "TreeEnsembleClassifier",
        ["X"],
        ["label", "sums"],
        domain="ai.onnx.ml",
        nodes_treeids=node["tree"].tolist(),
        nodes_nodeids=node["id"].tolist(),
        nodes_featureids=node["feature"].tolist(),
        nodes_modes=modes,
        nodes_values_as_tensor=numpy_helper.from_array(node["value"]),
        nodes_truenodeids=node["yes"].tolist(),
        nodes_falsenodeids=node["no"].tolist(),
        class_treeids=leaf["tree"].tolist(),
        class_nodeids=leaf["node"].tolist(),
        class_ids=leaf["class"].tolist(),
        class_weights_as_tensor=numpy_helper.from_array(leaf["weight"]),
        classlabels_int64s=list(range(columns)),
        post_transform="NONE",
    )
    graph = helper.make_graph(
        [operator],
        "forest",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, features])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, [None, columns]),
        ],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())
