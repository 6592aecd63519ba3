"""train_random_forest: what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io

from componentkit.arguments import ComponentError
from scoring import Labels
from train_random_forest.model import TRUSTED_TYPES, ModelConfig, impurity_importances, new_pipeline
from training.export import signature_of
from training.features import feature_table
from training.importances import importance_figure, importance_table, reported_importances
from training.learner import Asked, fitted
from training.tasks import Classification
from training.trainer import doubts, prepare


def config(**changes: Any) -> ModelConfig:
    features = {"numeric": ["n", "constant", "empty"], "categorical": ["c"], "text": ["t"]}
    return ModelConfig.model_validate(
        {"features": features, "forest": {"n_estimators": 20, "max_depth": 4}} | changes
    )


def table(labels: Any = ("a", "b"), rows: int = 120) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    which = np.arange(rows) % len(labels)
    return pd.DataFrame(
        {
            "n": which + draw.normal(0, 0.2, rows),
            "constant": 1,
            "empty": np.nan,
            "c": draw.choice(np.array(["x", "y", None]), rows),
            "t": draw.choice(np.array(["some words", "more words here", None]), rows),
            "y": [labels[i] for i in which],
        }
    )


def asked_for(options: ModelConfig, features: pd.DataFrame, labels: Labels, jobs: int = 1) -> Asked:
    return Asked(options, Classification(), features, labels, seed=1, jobs=jobs)


def learned_by(options: ModelConfig, features: pd.DataFrame, labels: Labels, jobs: int = 1) -> Any:
    return fitted(new_pipeline(asked_for(options, features, labels, jobs)), features, labels, jobs=jobs)


@pytest.mark.parametrize("encode", ["onehot", "ordinal"])
@pytest.mark.parametrize("labels", [("a", "b"), (0, 1, 2), (False, True), (1.5, 2.5)])
def test_any_labels_and_missing_values(labels: Any, encode: str) -> None:
    """Text, number and truth labels, two classes and more; missing text, constant, empty columns."""
    data = table(labels)
    options = config(encode=encode)
    features, target = prepare(data, "y", options.features)
    model = learned_by(options, features, target)
    assert np.mean(model.predict(features) == target) > 0.9
    known = [str(label) for label in labels] if labels[0] == 1.5 else list(labels)
    assert model.classes_.tolist() == known


def test_odd_requests_are_answered() -> None:
    """Unknown categories, None and NaN in every column get an answer: that is what serving meets."""
    options = config()
    features, target = prepare(table(), "y", options.features)
    model = learned_by(options, features, target)
    for missing in (None, np.nan):
        odd = pd.DataFrame({"n": [np.nan], "constant": [2.0], "empty": [3.0], "c": ["new"], "t": [missing]})
        odd["t"] = odd["t"].astype(object)
        assert model.predict_proba(odd).sum() == pytest.approx(1)
        odd["c"] = pd.Series([missing], dtype=object)
        assert model.predict_proba(odd).sum() == pytest.approx(1)


def test_same_seed_same_model_on_any_cores() -> None:
    """The number of cores does not change one digit of the probabilities, nor does skops."""
    options = config()
    features, target = prepare(table(), "y", options.features)
    one, two = (learned_by(options, features, target, jobs) for jobs in (1, 2))
    expected = one.predict_proba(features)
    assert np.array_equal(two.predict_proba(features), expected)
    stored = skops.io.loads(skops.io.dumps(one), trusted=TRUSTED_TYPES)
    assert np.array_equal(stored.predict_proba(features), expected)


def test_validation_rows() -> None:
    """Validation has every class, however small its share; too few rows are an error that says so."""
    labels = np.array(["a"] * 96 + ["b"] * 4, dtype=object)
    learn, validate = Classification().held_out_rows(labels, 0.02, 1)
    assert sorted([*learn, *validate]) == list(range(100))
    assert len(validate) == 2
    with pytest.raises(ComponentError, match=r"validation_size 0\.9: "):
        Classification().held_out_rows(labels[-10:], 0.9, 1)


@pytest.mark.parametrize("encode", ["onehot", "ordinal"])
def test_importances_belong_to_their_features(encode: str) -> None:
    """Impurity shares add up to one, and the column that decides comes first, both ways."""
    options = config(encode=encode)
    features, target = prepare(table(), "y", options.features)
    model = learned_by(options, features, target)
    assert impurity_importances(model, options.features).sum() == pytest.approx(1)
    own = impurity_importances(model, options.features)
    found = importance_table(own, model, features, target, options, 1)
    assert found.index[0] == "n"
    assert found["permutation"].idxmax() == "n"
    assert importance_figure(found).axes


@pytest.mark.parametrize("encode", ["onehot", "ordinal"])
def test_categories_that_are_numbers(encode: str) -> None:
    """The model asks for what the table has; 4, 4.0 and true as 1 are one category, with and without gaps."""
    draw = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "gaps": draw.choice([1, 2, 3, np.nan], 400),
            "whole": draw.integers(1, 5, 400),
            "flag": draw.choice([True, False], 400),
            "maybe": draw.choice(np.array([True, False, None], dtype=object), 400),
            "mixed": draw.choice(np.array([4, 4.0, "4", "x"], dtype=object), 400),
        }
    )
    data["y"] = np.where(data["gaps"].isin([1, 3]), "yes", "no")
    forest = {"n_estimators": 20}
    options = config(features={"categorical": list(data.columns[:-1])}, encode=encode, forest=forest)
    features, target = prepare(data, "y", options.features)
    model = learned_by(options, features, target)
    expected = model.predict(features)
    assert (expected == target).all()
    found = {c.name: (c.type.name, c.required) for c in signature_of(features, pd.Series(expected)).inputs}
    assert found == {
        "gaps": ("double", False),
        "whole": ("long", True),
        "flag": ("boolean", True),
        "maybe": ("boolean", False),
        "mixed": ("string", True),
    }
    assert sorted(features["mixed"].unique()) == ["4", "x"]
    as_floats = features.assign(
        whole=features["whole"].astype("float64"), flag=features["flag"].astype("float64")
    )
    assert (model.predict(as_floats) == expected).all()
    assert impurity_importances(model, options.features).idxmax() == "gaps"


def test_concerns_are_told() -> None:
    """What costs quality or looks like a mistake is told with its figure, and the work goes on."""
    draw = np.random.default_rng(0)
    data = pd.DataFrame(
        {
            "n": draw.normal(size=600),
            "fate": ["good", "bad"] * 300,
            "code": [0.0, 7.0] * 300,
            "one": 1.0,
            "id": [f"i{i}" for i in range(600)],
            "y": ["a", "b"] * 300,
        }
    )
    data.loc[:4, "y"] = "c"
    options = config(features={"numeric": ["n", "one", "code"], "categorical": ["fate", "id"]})
    features, target = prepare(data, "y", options.features)
    told = doubts(asked_for(options, features, target))
    assert [text.partition(":")[0].partition(" (")[0].partition(", each")[0] for text in told] == [
        "classes with fewer than 10 rows can hardly be learned",
        "column 'one' says nothing",
        "column 'id' has 600 categories",
    ]
    features, target = prepare(data[data["y"] != "c"], "y", options.features)
    options = options.model_copy(update={"encode": "ordinal"})
    told = doubts(asked_for(options, features, target))
    assert [text.partition(" (")[0] for text in told[1:]] == [
        "column 'code' alone predicts the target",
        "column 'fate' alone predicts the target",
    ]
    assert "balanced accuracy 1.000" in told[1]


def test_dates_are_no_categories() -> None:
    """A date as a feature is told before training, with what makes a feature of it."""
    data = table().assign(d=pd.Timestamp(2024, 1, 1))
    with pytest.raises(ComponentError, match=r"column 'd' holds dates.*derive: {weekday: d\.dt\.weekday}"):
        feature_table(data, config(features={"categorical": ["d"]}).features)
    with pytest.raises(ComponentError, match="column 'd' is not numeric: it holds dates"):
        feature_table(data, config(features={"numeric": ["d"]}).features)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"n": "x"}, {}, "column 'n' is not numeric"),
        ({"n": "$7"}, {}, r"column 'n' is not numeric: '\$7' in row 1; derive: {n: \"number\(n\)\"}"),
        (
            {"n": np.inf},
            {},
            r"column 'n': 120 values are infinite, the first in row 1.*not \(abs\(n\) > 1e38\)",
        ),
        ({"n": 1e39}, {}, "column 'n': 120 values are too large"),
        ({"y": np.arange(120.5, 240)}, {}, r"target 'y' is a number with 120 .*derive: {high: y > 180}"),
        ({"y": "same"}, {}, "target 'y' has one class only: 'same'"),
        (
            {"y": ["rare", *["a", "b"] * 59, "a"]},
            {},
            r"one row only of class 'rare'.*filter .*: y not in \['rare'\]",
        ),
        ({"y": [None, *["a", "b"] * 59, "a"]}, {}, "column 'y': the label is missing in 1 rows; .*y.notna"),
        ({}, {"features": {"numeric": ["nope"]}}, "model: features: column 'nope'"),
        ({}, {"features": {"text": ["y"]}}, "'y' is the target"),
        (
            {},
            {"features": {"numeric": ["n"], "categorical": ["n"]}},
            "'n' is in numeric and in categorical: name",
        ),
        ({}, {"features": {"numeric": ["n", "n"]}}, "'n' is in numeric twice"),
        ({}, {"features": {"numeric": ["N"]}}, r"did you mean 'n'\? \(it has n, constant"),
        ({}, {"features": {}}, "name at least one column"),
        ({}, {"class_weight": {"a": 1, "c": 2}}, "class_weight: no class 'c'; there are a, b"),
        ({}, {"class_weight": {"a": 1}}, "class_weight: no weight for class 'b'"),
        ({}, {"forest": {"n_estimator": 1}}, "did you mean 'n_estimators'"),
        ({}, {"forest": {"n_estimators": -1}}, "n_estimators"),
    ],
)
def test_misfit_is_named(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    """Data or options that cannot work are an error that names column, class or option."""
    settings = config(**options)
    with pytest.raises(ComponentError, match=message):
        features, target = prepare(table().assign(**change), "y", settings.features)
        learned_by(settings, features, target)


def test_bars_of_importances_are_in_their_order() -> None:
    """The report draws the importance by permutation, the largest first, whatever the order of the table."""
    table = pd.DataFrame({"impurity": [0.6, 0.4], "permutation": [0.1, 0.3]}, index=pd.Index(["a", "b"]))
    [found] = reported_importances(table, "classification")
    assert [row[0] for row in found["rows"]] == ["b", "a"]
    [own] = reported_importances(table[["impurity"]], "classification")
    assert [row[0] for row in own["rows"]] == ["a", "b"]
