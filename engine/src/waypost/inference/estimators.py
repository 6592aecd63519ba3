"""The parts that an untrusted model may consist of: kinds whose code was reviewed and found harmless.

These are values; estimators that compute with NumPy, which checks bounds; and those that pass arrays to
native code, once the arrays are checked. Everything else requires trust.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from waypost.inference.arrays import (
    check_boosting,
    check_centres,
    check_codes,
    check_forest,
    check_histograms,
    check_means,
    check_missing_values,
    check_neighbours,
    check_powers,
    check_support_vectors,
    check_threshold,
    check_tree,
    check_words,
    require,
)
from waypost.system.machine import cores

_VALUES = (type(None), bool, int, float, str)
_SERIES = (list, tuple, set)
# NumPy's codes for numbers, strings and times.
_KINDS = "biufcUSmM"
_LARGEST_ITEM = 1 << 16
# Calls a method of a table by name: harmless only for this one.
_METHOD = "fillna"

# By package. They compute with NumPy and SciPy, which check shapes and indices.
_BY_PACKAGE = {
    "sklearn.compose": "ColumnTransformer TransformedTargetRegressor",
    "sklearn.covariance": "EllipticEnvelope",
    "sklearn.cross_decomposition": "PLSRegression",
    "sklearn.decomposition": "IncrementalPCA PCA TruncatedSVD",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.ensemble": "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor"
    " IsolationForest",
    "sklearn.feature_extraction": "TfidfTransformer",
    "sklearn.feature_selection": "VarianceThreshold",
    "sklearn.impute": "MissingIndicator SimpleImputer",
    "sklearn.linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor"
    " HuberRegressor Lars LarsCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression"
    " LogisticRegression LogisticRegressionCV MultiTaskElasticNet MultiTaskElasticNetCV MultiTaskLasso"
    " MultiTaskLassoCV OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV PassiveAggressiveClassifier"
    " PassiveAggressiveRegressor Perceptron PoissonRegressor QuantileRegressor Ridge RidgeCV RidgeClassifier"
    " RidgeClassifierCV SGDClassifier SGDRegressor TheilSenRegressor",
    "sklearn.mixture": "BayesianGaussianMixture GaussianMixture",
    "sklearn.multioutput": "MultiOutputClassifier MultiOutputRegressor",
    "sklearn.naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
    "sklearn.neighbors": "NearestCentroid",
    "sklearn.pipeline": "FeatureUnion Pipeline",
    "sklearn.preprocessing": "Binarizer FunctionTransformer KBinsDiscretizer LabelBinarizer LabelEncoder"
    " MaxAbsScaler MinMaxScaler Normalizer OrdinalEncoder PowerTransformer QuantileTransformer RobustScaler"
    " StandardScaler TargetEncoder",
    "sklearn.svm": "LinearSVC LinearSVR",
}
# Losses and links hold numbers; an answer uses only the links.
_LOSSES = {
    "sklearn._loss": "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss"
    " HalfPoissonLoss HalfSquaredError HuberLoss PinballLoss HalfLogitLink IdentityLink Interval LogLink"
    " LogitLink MultinomialLogit CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss"
    " CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHuberLoss CyPinballLoss",
    "sklearn.linear_model": "EpsilonInsensitive Hinge ModifiedHuber SquaredEpsilonInsensitive SquaredHinge",
}
_PLAIN = {
    f"{package}.{name}"
    for part in (_BY_PACKAGE, _LOSSES)
    for package, names in part.items()
    for name in names.split()
}


class _Check(NamedTuple):
    """The checks of a fitted estimator, recognized by its attribute `sign`; only `look` sees `hidden`
    attributes.
    """

    sign: str
    look: Callable[[Any], None]
    hidden: tuple[str, ...] = ()


_TREE = _Check("tree_", check_tree, ("tree_",))
_FOREST = _Check("estimators_", check_forest)
_BOOSTING = _Check("estimators_", check_boosting)
_HISTOGRAMS = _Check("_predictors", check_histograms, ("_predictors", "_bin_mapper"))
_SUPPORT = _Check("support_vectors_", check_support_vectors)
_NEIGHBOURS = _Check("_fit_X", check_neighbours)
_WORDS = _Check("input", check_words)
_CENTRES = _Check("cluster_centers_", check_centres)
_CHECKS = {
    "sklearn.tree.DecisionTreeClassifier": _TREE,
    "sklearn.tree.DecisionTreeRegressor": _TREE,
    "sklearn.tree.ExtraTreeClassifier": _TREE,
    "sklearn.tree.ExtraTreeRegressor": _TREE,
    "sklearn.ensemble.RandomForestClassifier": _FOREST,
    "sklearn.ensemble.RandomForestRegressor": _FOREST,
    "sklearn.ensemble.ExtraTreesClassifier": _FOREST,
    "sklearn.ensemble.ExtraTreesRegressor": _FOREST,
    "sklearn.ensemble.GradientBoostingClassifier": _BOOSTING,
    "sklearn.ensemble.GradientBoostingRegressor": _BOOSTING,
    "sklearn.ensemble.HistGradientBoostingClassifier": _HISTOGRAMS,
    "sklearn.ensemble.HistGradientBoostingRegressor": _HISTOGRAMS,
    "sklearn.svm.SVC": _SUPPORT,
    "sklearn.svm.NuSVC": _SUPPORT,
    "sklearn.svm.SVR": _SUPPORT,
    "sklearn.svm.NuSVR": _SUPPORT,
    "sklearn.svm.OneClassSVM": _SUPPORT,
    "sklearn.neighbors.KNeighborsClassifier": _NEIGHBOURS,
    "sklearn.neighbors.KNeighborsRegressor": _NEIGHBOURS,
    "sklearn.cluster.KMeans": _CENTRES,
    "sklearn.cluster.MiniBatchKMeans": _CENTRES,
    "sklearn.impute.KNNImputer": _Check("metric", check_missing_values),
    "sklearn.model_selection.FixedThresholdClassifier": _Check("response_method", check_threshold),
    "sklearn.preprocessing.PolynomialFeatures": _Check("_n_out_full", check_powers),
    "sklearn.preprocessing.OneHotEncoder": _Check("categories_", check_codes),
    "sklearn.feature_extraction.CountVectorizer": _WORDS,
    "sklearn.feature_extraction.TfidfVectorizer": _WORDS,
    "sklearn.dummy.DummyClassifier": _Check("class_prior_", check_means),
    "sklearn.dummy.DummyRegressor": _Check("constant_", check_means),
}
# Defaults of the class, values of its objects.
_DEFAULTS = {"positive"}


def check_model(model: Any) -> None:
    """Raises UnsafeError unless every part of a model, however nested, is of a harmless kind."""
    seen: dict[int, Any] = {}
    left = [model]
    while left:
        part = left.pop()
        if id(part) not in seen:
            seen[id(part)] = part
            left += _inner(part)


def _inner(part: Any) -> Iterable[Any]:
    """Returns the parts inside a part, after checking it. Raises UnsafeError."""
    kind = type(part)
    if kind in _VALUES:
        return ()
    if kind in _SERIES:
        return list(part)
    if kind in (dict, OrderedDict):
        return [*part, *part.values()]
    if kind is slice:
        return [part.start, part.stop, part.step]
    if kind is np.ndarray and part.dtype == object:
        objects: list[Any] = part.ravel().tolist()
        return objects
    if kind is operator.methodcaller:
        called: tuple[Any, ...] = part.__reduce__()[1]
        require(called[0] == _METHOD, f"it calls {called[0]} of the input table")
        return called
    if kind.__module__.startswith("sklearn."):
        return _parts_of_estimator(part)
    require(_is_leaf(part), f"it holds {_name(part)}, which cannot be checked")
    return ()


def _is_leaf(part: Any) -> bool:
    """Returns whether a NumPy value is harmless: numbers, strings, their types, NumPy's own functions."""
    if isinstance(part, np.dtype):
        return part.kind in f"{_KINDS}O" and part.itemsize <= _LARGEST_ITEM
    if isinstance(part, type):
        return part in (*_VALUES, list, tuple, set, dict) or (
            issubclass(part, np.generic) and np.dtype(part).kind in _KINDS
        )
    if type(part) is np.random.RandomState:  # an index beyond the last number would be read
        return bool(0 <= part.get_state(legacy=False)["state"]["pos"] <= 624)
    if isinstance(part, np.ufunc):
        return getattr(np, part.__name__, None) is part
    if type(part) is np.ndarray or isinstance(part, np.generic):
        return part.dtype.kind in _KINDS
    return part is np.ravel or type(part) is np.random.Generator  # used only while fitting


def _name(part: Any) -> str:
    """Returns the name of a type for imports: its package and its own name."""
    kind = part if isinstance(part, type) else type(part)
    return ".".join([*kind.__module__.split(".")[:2], kind.__name__])


def _parts_of_estimator(part: Any) -> Iterable[Any]:
    """Returns the attributes of an estimator, checked together. Raises UnsafeError."""
    name = _name(part)
    require(name in _PLAIN or name in _CHECKS, f"it holds {name}, which cannot be checked")
    own: dict[str, Any] = getattr(part, "__dict__", {})
    replaced = sorted(key for key in own if key not in _DEFAULTS and hasattr(type(part), key))
    require(not replaced, f"{name}: it replaces {', '.join(replaced)}")
    check = _CHECKS.get(name)
    if check and check.sign in own:
        check.look(part)
    if "n_classes_" in own:
        counts, classes = np.atleast_1d(own["n_classes_"]), own["classes_"]
        lengths = [len(of) for of in classes] if isinstance(classes, list) else [len(classes)]
        require(counts.tolist() == lengths, f"{name}: it has a wrong number of classes")
    require(_are_plain(own.get("classes_")), f"{name}: its classes are neither all strings nor all numbers")
    _tame(own)
    hidden = check.hidden if check else ()
    return [value for key, value in own.items() if key not in hidden]


def _tame(own: dict[str, Any]) -> None:
    """Resets attributes of an estimator that change no answer: number of workers, verbosity."""
    for key in ("n_jobs", "_n_threads"):
        if isinstance(own.get(key), int):
            own[key] = min(own[key], cores())
    if "verbose" in own:
        own["verbose"] = 0


def _are_plain(classes: Any) -> bool:
    """Returns whether classes can be returned in an answer: all have one simple type."""
    if isinstance(classes, list):  # several targets
        return all(_are_plain(each) for each in classes)
    if not isinstance(classes, np.ndarray) or classes.dtype != object:
        return True
    kinds = {type(value) for value in classes.ravel().tolist()}
    return len(kinds) == 1 and kinds <= {bool, int, float, str}
