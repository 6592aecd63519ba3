"""Random models of every kind that has a compiled form, and random tables to ask them about."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from waypost.contracts.mlmodel import Column

TEXTS = ["Berlin", "Zürich", "Ōsaka", "", "Łódź", "x y", "東京", "a\tb"]
UNSEEN = ["never", " ", "İstanbul ΟΔΟΣ", "Berlin ", "ﬀ"]
ODD = [
    0.0,
    -0.0,
    float(np.float32(1e-35)),
    2e-35,
    1e-300,
    5e-324,
    1e300,
    -1e300,
    3.4e38,
    3.5e38,
    16777217.0,
    2.0**53,
    0.1,
    float("inf"),
]
NUMBERS, CATEGORIES = ("a", "b", "c"), ("city", "kind")
LIBRARIES = ("lightgbm", "xgboost", "catboost")
"""Kinds of models that are not scikit-learn's own; any of these may be missing."""
_MISSING = 0.15


def table(choose: random.Random, rows: int, *, wild: bool = False) -> pd.DataFrame:
    """Returns numbers (some missing), whole numbers, texts. `wild`: odd numbers, texts that are not known."""

    def number() -> float | None:
        if choose.random() < _MISSING:
            return None
        if wild and choose.random() < 0.15:
            return choose.choice(ODD) * choose.choice((1, -1))
        return choose.choice((round(choose.gauss(0, 2), 1), choose.gauss(3, 10)))

    def text() -> str | None:
        if choose.random() < _MISSING:
            return None
        return choose.choice(UNSEEN) if wild and choose.random() < 0.2 else choose.choice(TEXTS)

    made: dict[str, list[Any]] = {name: [number() for _ in range(rows)] for name in NUMBERS}
    made["k"] = [float(choose.randint(0, 9 if wild else 5)) for _ in range(rows)]
    made |= {name: [text() for _ in range(rows)] for name in CATEGORIES}
    made["note"] = [
        " ".join(choose.choices([*TEXTS, "loan", "car"], k=choose.randint(0, 5))) for _ in range(rows)
    ]
    found = pd.DataFrame(made)
    for name in (*NUMBERS, "k"):
        found[name] = found[name].astype("float64")
    return found


def columns_of(table: pd.DataFrame) -> tuple[Column, ...]:
    """Returns the columns of a layout for a table's rows."""
    kinds = {"float64": "double", "float32": "float"}
    return tuple(
        Column(name=str(name), type=kinds.get(str(table[name].dtype), "string"), required=False)
        for name in table
    )


def target(choose: random.Random, of: pd.DataFrame, classes: int) -> Any:
    """Returns classes that depend on a table, or numbers (0 classes)."""
    score = (
        of["a"].fillna(0)
        + 3 * (of["city"] == "Berlin")
        + of["k"]
        + [choose.gauss(0, 1) for _ in range(len(of))]
    )
    if not classes:
        return score.to_numpy()
    names = [f"é{i}" for i in range(classes)]
    return np.array(names)[pd.qcut(score, classes, labels=False, duplicates="drop")]


def _known() -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(operator.methodcaller("fillna", ""))


def numbers_first(choose: random.Random) -> list[Any]:
    """Returns transformers of numbers with missing values, which leave none."""
    from sklearn import preprocessing as pre
    from sklearn.impute import SimpleImputer

    chain: list[Any] = [
        SimpleImputer(
            strategy=choose.choice(("mean", "median", "most_frequent")), add_indicator=choose.random() < 0.5
        )
    ]
    for _ in range(choose.randint(0, 2)):
        chain.append(
            choose.choice(
                (
                    pre.StandardScaler(with_mean=choose.random() < 0.5),
                    pre.MinMaxScaler(clip=choose.random() < 0.5),
                    pre.MaxAbsScaler(),
                    pre.RobustScaler(with_centering=choose.random() < 0.5),
                    pre.PolynomialFeatures(
                        choose.randint(2, 3),
                        interaction_only=choose.random() < 0.5,
                        include_bias=choose.random() < 0.5,
                    ),
                    pre.KBinsDiscretizer(
                        3,
                        encode=choose.choice(("ordinal", "onehot", "onehot-dense")),
                        quantile_method="averaged_inverted_cdf",
                    ),
                )
            )
        )
        if isinstance(chain[-1], (pre.PolynomialFeatures, pre.KBinsDiscretizer)):
            break
    return chain


def encoder(choose: random.Random, *, takes_missing: bool) -> Any:
    """Returns an encoder of categories."""
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    rare = choose.choice(({}, {"min_frequency": 0.1}, {"max_categories": 3}))
    if choose.random() < 0.5:
        unknown = choose.choice(("error", "ignore", "infrequent_if_exist"))
        drop = choose.choice((None, "first", "if_binary"))
        return OneHotEncoder(
            handle_unknown=unknown, drop=drop, sparse_output=choose.random() < 0.5, dtype=np.float64, **rare
        )
    if choose.random() < 0.3:
        return OrdinalEncoder(**rare)
    values = (-1, 99, np.nan) if takes_missing else (-1, 99)
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=choose.choice(values), **rare)


def preprocessed(choose: random.Random, estimator: Any, *, takes_missing: bool) -> Any:
    """Returns a pipeline of random transformers before an estimator."""
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler

    parts: list[Any] = []
    if takes_missing and choose.random() < 0.5:
        parts.append(("numbers", "passthrough", list(NUMBERS)))
    else:
        parts.append(("numbers", make_pipeline(*numbers_first(choose)), list(NUMBERS)))
    if choose.random() < 0.8:
        codes = make_pipeline(_known(), encoder(choose, takes_missing=takes_missing))
        parts.append(("texts", codes, list(CATEGORIES)))
    parts.append(
        ("codes", choose.choice((encoder(choose, takes_missing=takes_missing), "passthrough")), ["k"])
    )
    if choose.random() < 0.4:
        words = choose.choice((CountVectorizer(), TfidfVectorizer(), CountVectorizer(binary=True)))
        parts.append(("words", make_pipeline(_known(), FunctionTransformer(np.ravel), words), ["note"]))
    columns = ColumnTransformer(parts, sparse_threshold=0 if takes_missing else choose.choice((0, 0.3)))
    after = [MaxAbsScaler()] if choose.random() < 0.2 else []
    return make_pipeline(columns, *after, estimator)


def _of(classifier: Any, regressor: Any, **options: Any) -> Callable[[int, int], Any]:
    def made(classes: int, seed: int) -> Any:
        return (classifier if classes else regressor)(random_state=seed, **options)

    return made


def estimators() -> dict[str, Callable[[int, int], Any]]:
    """Returns what makes an estimator of a kind from (classes, seed)."""
    from sklearn import ensemble, linear_model, tree

    few = {"n_estimators": 5}
    boosted = {"max_iter": 8, "min_samples_leaf": 3}
    return {
        "forest": _of(ensemble.RandomForestClassifier, ensemble.RandomForestRegressor, **few),
        "extra trees": _of(ensemble.ExtraTreesClassifier, ensemble.ExtraTreesRegressor, **few),
        "tree": _of(tree.DecisionTreeClassifier, tree.DecisionTreeRegressor, max_depth=5),
        "boosting": _of(ensemble.GradientBoostingClassifier, ensemble.GradientBoostingRegressor, **few),
        "histograms": _of(
            ensemble.HistGradientBoostingClassifier, ensemble.HistGradientBoostingRegressor, **boosted
        ),
        "linear": _of(partial(linear_model.LogisticRegression, max_iter=50), linear_model.Ridge),
    }


TAKES_MISSING = {"forest", "extra trees", "tree", "histograms"}


def pipeline(kind: str, choose: random.Random) -> tuple[Any, pd.DataFrame]:
    """Returns a fitted pipeline of a kind, and the table that it learned from."""
    learned = table(choose, 60)
    if choose.random() < 0.25:  # as many tables have it
        learned = learned.astype(dict.fromkeys(NUMBERS, "float32"))
    classes = choose.choice((0, 2, 3))
    estimator = estimators()[kind](classes, choose.randrange(100))
    model = preprocessed(choose, estimator, takes_missing=kind in TAKES_MISSING)
    if kind == "histograms":
        model.steps[0][1].sparse_threshold = 0  # it takes no sparse table
    return model.fit(learned, target(choose, learned, classes)), learned


def native_categories(choose: random.Random) -> tuple[Any, pd.DataFrame]:
    """Returns boosted histograms that split by sets of categories, of texts and of numbers."""
    learned = table(choose, 80)
    classes = choose.choice((0, 2, 3))
    made = estimators()["histograms"](classes, choose.randrange(100))
    chosen = choose.choice((["city"], ["city", "kind"], ["city", "k", "kind"]))
    used = learned[[*NUMBERS, "k", *(name for name in CATEGORIES if name in chosen)]]
    made.set_params(categorical_features=chosen)
    return made.fit(used, target(choose, learned, classes)), used


def boosted(library: str, choose: random.Random) -> tuple[Any, pd.DataFrame]:
    """Returns a model of LightGBM, XGBoost or CatBoost of numbers, one of them categories where it can.

    Raises ImportError where the library is not installed.
    """
    import importlib

    package: Any = importlib.import_module(library)
    learned = table(choose, 80)
    used = learned[[*NUMBERS, "k"]]
    classes = choose.choice((0, 2, 3) if library != "catboost" else (0, 2))
    answers: Any = target(choose, learned, 0)
    if classes:
        answers = pd.qcut(answers, classes, labels=False)
    options: dict[str, Any] = {
        "lightgbm": {
            "n_estimators": 8,
            "verbose": -1,
            "n_jobs": 1,
            "min_child_samples": 3,
            "min_data_per_group": 2,
        },
        "xgboost": {"n_estimators": 8, "n_jobs": 1, "max_cat_to_onehot": choose.choice((1, 20))},
        "catboost": {"iterations": 8, "verbose": 0, "thread_count": 1, "allow_writing_files": False},
    }[library]
    prefix = {"lightgbm": "LGBM", "xgboost": "XGB", "catboost": "CatBoost"}[library]
    has_categories = library != "catboost" and choose.random() < 0.6
    if library == "xgboost" and has_categories:
        options |= {"enable_categorical": True, "feature_types": ["q", "q", "q", "c"]}
    more = {"categorical_feature": ["k"]} if library == "lightgbm" and has_categories else {}
    kind = "Classifier" if classes else "Regressor"
    return getattr(package, f"{prefix}{kind}")(**options).fit(used, answers, **more), used


def vote(choose: random.Random) -> tuple[Any, pd.DataFrame]:
    """Returns a vote of one estimator, XGBoost among others, after random transformers or around them."""
    from sklearn.ensemble import VotingClassifier, VotingRegressor

    learned = table(choose, 60)
    classes = choose.choice((0, 2, 3))
    kind = choose.choice(["xgboost", "xgboost", *estimators()])
    estimator = _xgboost(choose, classes) if kind == "xgboost" else estimators()[kind](classes, 0)

    def around(one: Any) -> Any:
        return VotingClassifier([("one", one)], voting="soft") if classes else VotingRegressor([("one", one)])

    takes_missing = kind in {*TAKES_MISSING, "xgboost"}
    if is_inside := choose.random() < 0.5:
        estimator = around(estimator)
    model = preprocessed(choose, estimator, takes_missing=takes_missing)
    if kind == "xgboost":
        model.steps[0][1].sparse_threshold = choose.choice((0, 1))
    elif kind == "histograms":
        model.steps[0][1].sparse_threshold = 0
    model = model if is_inside else around(model)
    return model.fit(learned, target(choose, learned, classes)), learned


def _xgboost(choose: random.Random, classes: int) -> Any:
    import xgboost

    kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
    return kind(n_estimators=8, n_jobs=1, random_state=choose.randrange(100))


def made(kind: str, choose: random.Random) -> tuple[Any, pd.DataFrame]:
    """Returns a fitted model of a kind and the table that it learned from."""
    if kind == "native categories":
        return native_categories(choose)
    if kind == "vote":
        return vote(choose)
    if kind in LIBRARIES:
        return boosted(kind, choose)
    return pipeline(kind, choose)


KINDS = [
    *sorted(TAKES_MISSING),
    *("boosting", "linear", "native categories", "vote"),
    *LIBRARIES,
]
