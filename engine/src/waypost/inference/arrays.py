"""Checks of arrays that native code reads without bounds checks: all are in range, or the model is refused.

scikit-learn checks its input, not its fitted attributes: a child outside of a tree, or a support vector that
is too short, is read from memory that belongs to something else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from waypost.inference.skops_archive import UnsafeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# No real data grows deeper trees, and each level takes a step to check.
_DEEPEST = 10_000
_KERNELS = {"linear", "poly", "rbf", "sigmoid"}
_METRICS = {"minkowski", "euclidean", "manhattan", "cityblock", "l1", "l2", "chebyshev"}
_MOST_WORDS = 100  # of an n-gram
_MOST_DEGREES, _MOST_COLUMNS = 10, 100_000  # of a polynomial
# A single run of characters: a search never backtracks, whatever the text.
_QUICK_PATTERN = re.compile(r"(\(\?u\))?(\\b)?((\\[wdS]|\[[\w\\ -]+\]|\w){1,8}[+*]?)(\\b)?", re.ASCII)


def require(holds: Any, problem: str) -> None:
    """Raises UnsafeError unless a condition holds."""
    if not holds:
        raise UnsafeError(problem)


def check_tree(model: Any) -> None:
    """Raises UnsafeError unless a decision tree can be walked for any row of its features."""
    from sklearn.tree._tree import Tree

    tree = model.tree_
    require(type(tree) is Tree, "its tree is missing")
    # First, because the arrays below have the declared length, not the stored one.
    require(0 < tree.node_count == tree.capacity, "a tree has a wrong number of nodes")
    require(tree.n_features == model.n_features_in_, "a tree has other features than its model")
    require(tree.n_outputs == model.n_outputs_ > 0, "a tree has other outputs than its model")
    left, right, is_leaf = tree.children_left, tree.children_right, tree.children_left == -1
    require(np.array_equal(is_leaf, tree.children_right == -1), "a node of a tree has only one child")
    depth = _depth(left, right, is_leaf)
    require(depth <= tree.max_depth <= tree.node_count, "a tree has a wrong depth")
    _check_splits(tree.feature[~is_leaf], tree.threshold[~is_leaf], tree.n_features)
    classes = tree.n_classes
    require(((classes > 0) & (classes <= tree.max_n_classes)).all(), "a tree has a wrong number of classes")
    require(np.isfinite(tree.value).all(), "a tree has a value that is not a number")


def check_forest(model: Any) -> None:
    """Raises UnsafeError unless the trees of a forest have the same features and outputs; each is checked
    separately.
    """
    kinds = {(t.tree_.n_features, t.tree_.n_outputs, t.tree_.max_n_classes) for t in model.estimators_}
    classes = int(np.max(getattr(model, "n_classes_", 1)))
    require(kinds == {(model.n_features_in_, model.n_outputs_, classes)}, "the trees of a forest differ")


def check_boosting(model: Any) -> None:
    """Raises UnsafeError unless each step of gradient boosting adds to existing outputs."""
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.tree import DecisionTreeRegressor

    problem = "the stages of the boosting are inconsistent"
    steps, start = model.estimators_, model.init_
    require(type(steps) is np.ndarray and steps.ndim == 2 and steps.size, problem)
    outputs = steps.shape[1]
    require(model.n_trees_per_iteration_ == outputs, problem)
    for step in steps.ravel():
        require(type(step) is DecisionTreeRegressor, problem)
        kind = (step.tree_.n_features, step.tree_.n_outputs, step.tree_.max_n_classes)
        require(kind == (model.n_features_in_, 1, 1), problem)
    if isinstance(start, str):
        return
    # The initial values have as many columns as the stages, for any rows.
    if hasattr(model, "classes_"):
        require(type(start) is DummyClassifier and start.strategy == start._strategy == "prior", problem)
        require(start.n_outputs_ == 1 and start.class_prior_.shape == (len(model.classes_),), problem)
        require(model._loss.is_multiclass == (outputs > 1), problem)
        require(outputs in (1, len(model.classes_)), problem)
    else:
        require(type(start) is DummyRegressor and start.n_outputs_ == outputs == 1, problem)


def check_histograms(model: Any) -> None:
    """Raises UnsafeError unless the trees of histogram-based boosting can be walked."""
    from sklearn.ensemble._hist_gradient_boosting.binning import _BinMapper
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

    problem = "the trees of the boosting are inconsistent"
    mapper, features = model._bin_mapper, model.n_features_in_
    is_numeric = model._preprocessor is None and not np.any(mapper.is_categorical_)
    require(is_numeric, "its boosting splits by categories, which cannot be checked")
    require(type(mapper) is _BinMapper and mapper.is_categorical_.shape == (features,), problem)
    require(set(vars(mapper)) & set(dir(_BinMapper)) == set() and not vars(model).get("_in_fit"), problem)
    for step in model._predictors:
        require(len(step) == model.n_trees_per_iteration_, problem)
        for tree in step:
            own = vars(tree)
            is_plain = set(own) == {"nodes", "binned_left_cat_bitsets", "raw_left_cat_bitsets"}
            require(type(tree) is TreePredictor and is_plain, problem)
            nodes = own["nodes"]
            require(nodes.ndim == 1 and nodes.size and nodes.dtype == PREDICTOR_RECORD_DTYPE, problem)
            require(not nodes["is_categorical"].any(), problem)
            is_leaf = nodes["is_leaf"] != 0
            _depth(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), is_leaf)
            _check_splits(nodes["feature_idx"][~is_leaf], nodes["num_threshold"][~is_leaf], features)
            require(np.isfinite(nodes["value"]).all(), problem)


def _check_splits(chosen: Array, thresholds: Array, features: int) -> None:
    require(((chosen >= 0) & (chosen < features)).all(), "a tree uses a feature that does not exist")
    # Infinity is a valid threshold: it separates missing values from all others.
    require(not np.isnan(thresholds).any(), "a tree has a threshold that is not a number")


def _depth(left: Array, right: Array, is_leaf: Array) -> int:
    """Returns the depth of a tree in which each node but the root is the child of one earlier node."""
    (inner,) = np.nonzero(~is_leaf)
    count = len(is_leaf)
    for children in (left[inner], right[inner]):
        require(
            ((children > inner) & (children < count)).all(), "a tree points outside its nodes, or backwards"
        )
    parents = np.bincount(np.concatenate([left[inner], right[inner]]), minlength=count)
    require((parents[1:] == 1).all(), "a node of a tree does not have exactly one parent")
    level, depth = np.zeros(1, dtype=np.intp), 0
    while len(level := level[~is_leaf[level]]):
        depth += 1
        require(depth <= _DEEPEST, f"a tree is deeper than {_DEEPEST:,}")
        level = np.concatenate([left[level], right[level]])
    return depth


def check_support_vectors(model: Any) -> None:
    """Raises UnsafeError unless the arrays of a libsvm model are consistent."""
    problem = "the arrays of its support vectors are inconsistent"
    require(model.kernel in _KERNELS and model._sparse is False, f"{problem}, or its kernel is unknown")
    counts, vectors = model._n_support, model.support_vectors_
    is_classifier = model._impl in ("c_svc", "nu_svc")
    sides = len(counts)
    pairs = sides * (sides - 1) // 2
    total = int(counts.astype(np.int64).sum()) if is_classifier else int(counts[0])
    require(sides == (len(model.classes_) if is_classifier else 2) > 1 and (counts >= 0).all(), problem)
    require(len(model.support_) == total and vectors.shape == (total, model.n_features_in_), problem)
    require(model._dual_coef_.shape == (sides - 1, total), problem)
    require(model._intercept_.shape == (pairs,), problem)
    sizes = {len(model._probA), len(model._probB)}
    require(sizes <= {0} or (sizes == {pairs} and is_classifier), problem)
    arrays = (vectors, model._dual_coef_, model._intercept_, model._probA, model._probB)
    require(all(np.isfinite(array).all() for array in arrays), problem)


def check_neighbours(model: Any) -> None:
    """Raises UnsafeError unless the stored rows of a nearest-neighbour model are consistent."""
    problem = "its stored rows are inconsistent"
    rows, labels = model._fit_X, model._y
    require(model._fit_method == "brute", "it finds neighbours by a tree, which cannot be checked")
    require({model.metric, model.effective_metric_} <= _METRICS, f"{problem}, or its metric is unknown")
    require({*(model.effective_metric_params_ or ()), *(model.metric_params or ())} <= {"p"}, problem)
    require(model.weights in ("uniform", "distance"), problem)
    require(type(rows) is np.ndarray and rows.dtype.kind == "f" and np.isfinite(rows).all(), problem)
    require(rows.shape == (model.n_samples_fit_, model.n_features_in_), problem)
    require(0 < model.n_neighbors <= len(rows) == len(labels), problem)
    if hasattr(model, "classes_"):
        require(labels.ndim == 1 and labels.dtype.kind == "i" and model.outputs_2d_ is False, problem)
        require(((labels >= 0) & (labels < len(model.classes_))).all(), problem)


def check_centres(model: Any) -> None:
    """Raises UnsafeError unless the cluster centres have the features of the rows."""
    problem = "its cluster centres are inconsistent"
    centres = model.cluster_centers_
    require(centres.ndim == 2 and centres.dtype.kind == "f" and np.isfinite(centres).all(), problem)
    require(len(centres) and centres.shape[1] == model.n_features_in_, problem)


def check_missing_values(model: Any) -> None:
    """Raises UnsafeError unless missing values are imputed with a known distance."""
    require(model.metric == "nan_euclidean", "it imputes with an unknown distance")


def check_powers(model: Any) -> None:
    """Raises UnsafeError unless a polynomial has the declared number of columns, and not too many."""
    problem = "the columns of its polynomial are inconsistent"
    require(0 <= model._min_degree <= model._max_degree <= _MOST_DEGREES, problem)
    count = model._num_combinations(
        n_features=model.n_features_in_,
        min_degree=0,
        max_degree=model._max_degree,
        interaction_only=model.interaction_only,
        include_bias=model.include_bias,
    )
    require(model._n_out_full == count <= _MOST_COLUMNS, problem)


def check_threshold(model: Any) -> None:
    """Raises UnsafeError unless a threshold applies to a classifier's output, by a known method."""
    known = ("auto", "predict_proba", "decision_function")
    require(model.response_method in known, "its threshold applies to an unknown method")


def check_codes(model: Any) -> None:
    """Raises UnsafeError unless a one-hot encoding has as many columns as codes."""
    problem = "the columns of its one-hot encoding are inconsistent"
    count = len(model.categories_)
    groups = model._default_to_infrequent_mappings if model._infrequent_enabled else [None] * count
    firsts = model._infrequent_indices if model._infrequent_enabled else [None] * count
    dropped = model._drop_idx_after_grouping
    left_out = [None] * count if dropped is None else list(dropped)
    require(count == len(groups) == len(firsts) == len(left_out) == len(model._n_features_outs), problem)
    sizes = []
    for values, group, first, drop in zip(model.categories_, groups, firsts, left_out, strict=True):
        _check_categories(values, problem)
        codes = len(values)
        if group is not None:
            _check_codes_of(group, len(values), problem)
            codes = int(group.max()) + 1
        if first is not None:
            _check_codes_of(first, len(values), problem)
        require(drop is None or (isinstance(drop, (int, np.integer)) and 0 <= drop < codes), problem)
        sizes.append(codes - (drop is not None))
    require([int(number) for number in model._n_features_outs] == sizes, problem)


def _check_categories(values: Array, problem: str) -> None:
    require(values.ndim == 1 and values.size, problem)
    if values.dtype.kind in "iuf":  # found by bisection: the last may be missing
        known = values[:-1] if values.dtype.kind == "f" and np.isnan(values[-1]) else values
        require((known[1:] > known[:-1]).all() and not np.isnan(known).any(), problem)


def _check_codes_of(codes: Array, count: int, problem: str) -> None:
    require(codes.ndim == 1 and codes.size and codes.dtype.kind == "i", problem)
    require(((codes >= 0) & (codes < count)).all(), problem)


def check_words(model: Any) -> None:
    """Raises UnsafeError unless words map to existing columns, in a time bounded by the text's length."""
    require(model.input == "content", "it reads files that the input names")
    own = (model.preprocessor, model.tokenizer)
    require(
        own == (None, None) and model.analyzer in ("word", "char", "char_wb"),
        "it splits text with its own function",
    )
    is_quick = model.analyzer != "word" or _QUICK_PATTERN.fullmatch(model.token_pattern)
    require(is_quick, f"its token_pattern {str(model.token_pattern)[:60]!r} may never end")
    shortest, longest = model.ngram_range
    require(0 < shortest <= longest <= _MOST_WORDS, "its n-grams have too many words")
    words = vars(model).get("vocabulary_")
    if words is not None:
        places = sorted(words.values())
        require(places == list(range(len(words))), "words of its vocabulary have no column")


def check_means(model: Any) -> None:
    """Raises UnsafeError unless a constant model has one target."""
    problem = "its constant is inconsistent"
    require(model.n_outputs_ == 1, problem)
    if hasattr(model, "classes_"):
        require(model.class_prior_.shape == (len(model.classes_),) and not model.sparse_output_, problem)
    else:
        require(model.constant_.shape == (1, 1), problem)
