"""The learned parameters of scikit-learn estimators: forests, boosting, linear models."""

from __future__ import annotations

from typing import Any

import numpy as np

from waypost.inference.compiled import FOREST_TOLERANCE, Weights
from waypost.inference.features import Kind
from waypost.inference.learned import LINEAR_TOLERANCE, TOLERANCE, Learned, NotCompilableError
from waypost.inference.links import Link
from waypost.inference.memberships import THRESHOLD, Sets, bits_of
from waypost.inference.trees import Tree, laid_out


def learned_by_sklearn(model: Any) -> Learned:
    """Returns the trees or weights of a fitted estimator. Raises NotCompilableError."""
    from sklearn import ensemble, linear_model, tree

    known = {
        _forest: (
            *(tree.DecisionTreeClassifier, tree.DecisionTreeRegressor),
            *(ensemble.RandomForestClassifier, ensemble.RandomForestRegressor),
            *(ensemble.ExtraTreesClassifier, ensemble.ExtraTreesRegressor),
        ),
        _boosting: (ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor),
        _histograms: (ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor),
        _linear_classes: (linear_model.LogisticRegression,),
        _linear_numbers: (
            *(linear_model.LinearRegression, linear_model.Ridge, linear_model.RidgeCV),
            *(linear_model.ElasticNet, linear_model.ElasticNetCV, linear_model.Lasso, linear_model.LassoCV),
        ),
    }
    for read, kinds in known.items():
        if isinstance(model, kinds):
            return read(model)
    raise NotCompilableError(f"{type(model).__name__} has no compiled form")


def _classes(model: Any) -> list[Any] | None:
    from sklearn.base import is_classifier

    return model.classes_.tolist() if is_classifier(model) else None


def tree_of(tree: Any, values: Any) -> Tree:
    """Returns a scikit-learn tree (`tree_`) with its values, shape (nodes, numbers)."""
    left, right = tree.children_left.astype(np.int64), tree.children_right.astype(np.int64)
    return Tree(left, right, tree.feature, tree.threshold, tree.missing_go_to_left, values)


def _forest(forest: Any) -> Learned:
    members = getattr(forest, "estimators_", [forest])
    if forest.n_outputs_ != 1:
        raise NotCompilableError(f"{type(forest).__name__} with several targets")
    trees = [member.tree_ for member in members]
    start = np.zeros(trees[0].value.shape[2])
    laid = laid_out([tree_of(tree, tree.value[:, 0, :]) for tree in trees], forest.n_features_in_, start)
    # In the trees' own order of classes.
    takes_missing = bool(members[0].__sklearn_tags__().input_tags.allow_nan)
    classes = _classes(forest)
    return Learned(
        forest.n_features_in_,
        "mean",
        laid,
        count=len(trees),
        takes_missing=takes_missing,
        classes=classes,
        tolerance=FOREST_TOLERANCE if classes else 0.0,
    )


def _boosting(model: Any) -> Learned:
    steps = model.estimators_
    rate = model.learning_rate
    trees = [tree_of(step.tree_, rate * step.tree_.value[:, 0, :]) for step in steps.ravel()]
    # The initial value is the same for all rows, unless an initial estimator gives it.
    if not isinstance(model.init_, str) and not type(model.init_).__name__.startswith("Dummy"):
        raise NotCompilableError(f"{type(model).__name__} that begins with {type(model.init_).__name__}")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0]
    classes = _classes(model)
    link: Link = "identity"
    if classes:
        is_exponential = model.loss == "exponential"
        link = "softmax" if len(start) > 1 else "half_logit" if is_exponential else "logit"
    laid = laid_out(trees, model.n_features_in_, np.array(start, dtype=np.float64))
    tolerance = TOLERANCE if classes else 0.0
    return Learned(model.n_features_in_, link, laid, from_zero=True, classes=classes, tolerance=tolerance)


_LINKS: dict[str, Link] = {
    "IdentityLink": "identity",
    "LogLink": "log",
    "LogitLink": "logit",
    "MultinomialLogit": "softmax",
}


def _histograms(model: Any) -> Learned:
    link = _LINKS.get(type(model._loss.link).__name__)
    if link is None:
        raise NotCompilableError(f"{type(model).__name__} with the loss {model.loss!r}")
    width = len(model._bin_mapper.is_categorical_)
    sets, known = Sets(width), model._bin_mapper.make_known_categories_bitsets()
    places = [[_asked_sets(tree, sets, *known) for tree in step] for step in model._predictors]
    trees = [
        _histogram_tree(tree.nodes, {node: sets.place(added) for node, added in of.items()})
        for step, found in zip(model._predictors, places, strict=True)
        for tree, of in zip(step, found, strict=True)
    ]
    start = np.array(model._baseline_prediction, dtype=np.float64).ravel()
    laid = laid_out(trees, width + len(sets), start, dtype=np.float64)
    kind = Kind(is_wide=True, is_open=True)
    return Learned(
        width,
        link,
        laid,
        kind=kind,
        takes_missing=True,
        classes=_classes(model),
        tolerance=0.0 if link == "identity" else TOLERANCE,
        members=sets.members(),
    )


def _asked_sets(tree: Any, sets: Sets, known: Any, index: Any) -> dict[int, tuple[int, int]]:
    """Returns a tree's sets of categories, by node."""
    found = {}
    for number in np.flatnonzero(tree.nodes["is_categorical"]).tolist():
        node = tree.nodes[number]
        feature, goes = int(node["feature_idx"]), bool(node["missing_go_to_left"])
        are_known = bits_of(known[index[feature]])
        left = bits_of(tree.raw_left_cat_bitsets[node["bitset_idx"]])
        # An unknown category counts as missing.
        found[number] = sets.add(feature, np.where(are_known, left, goes), other=goes, missing=goes)
    return found


def _histogram_tree(nodes: Any, sets: dict[int, int]) -> Tree:
    is_leaf = nodes["is_leaf"] != 0
    left = np.where(is_leaf, -1, nodes["left"].astype(np.int64))
    feature, threshold = nodes["feature_idx"].astype(np.int64), nodes["num_threshold"].copy()
    for number, place in sets.items():
        feature[number], threshold[number] = place, THRESHOLD
    return Tree(
        left,
        nodes["right"].astype(np.int64),
        feature,
        threshold,
        nodes["missing_go_to_left"],
        nodes["value"][:, None],
    )


def _linear(model: Any, link: Link, classes: list[Any] | None) -> Learned:
    factors = np.atleast_2d(model.coef_)
    intercept = np.broadcast_to(model.intercept_, len(factors))
    if factors.dtype != np.float64 or (classes is None and len(factors) != 1):
        rounded = f"factors of {factors.dtype}: learn from float64"
        problem = "several targets" if len(factors) != 1 and classes is None else rounded
        raise NotCompilableError(f"{type(model).__name__} with {problem}")
    weights = Weights(factors=factors.tolist(), intercept=intercept.tolist())
    return Learned(
        factors.shape[1],
        link,
        weights=weights,
        kind=Kind(is_wide=True),
        classes=classes,
        tolerance=LINEAR_TOLERANCE,
    )


def _linear_classes(model: Any) -> Learned:
    classes = model.classes_.tolist()
    is_by_class = model.solver == "liblinear" or getattr(model, "multi_class", "auto") == "ovr"
    link: Link = "logit" if len(classes) == 2 else "one_vs_rest" if is_by_class else "softmax"
    return _linear(model, link, classes)


def _linear_numbers(model: Any) -> Learned:
    return _linear(model, "identity", None)
