"""train_random_forest: thresholds, class weights and cross-validation, and what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skops.io
from pydantic import ValidationError
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score, f1_score, fbeta_score
from sklearn.model_selection import FixedThresholdClassifier

from componentkit.arguments import ComponentError
from train_random_forest.model import TRUSTED_TYPES, new_pipeline
from train_random_forest.test_run import asked_for, config, learned_by, table
from training.folds import check_folds, cross_validated, fold_figure, fold_metrics, summarised
from training.tasks import Classification
from training.threshold import Threshold, best_threshold, deciding, positive_class
from training.trainer import prepare


@pytest.mark.parametrize("labels", [("no", "yes"), (False, True), (0, 1)])
def test_threshold_is_part_of_the_model(labels: Any) -> None:
    """The model answers by the threshold, whatever loads it, as scikit-learn's does."""
    options = config(threshold={"by": "f1", "positive": labels[0]})
    features, target = prepare(table(labels), "y", options.features)
    plain = learned_by(options, features, target)
    model = deciding(options.threshold, plain, 0.9)
    chances = model.predict_proba(features)
    assert np.array_equal(chances, plain.predict_proba(features))
    expected = np.where(chances[:, 0] >= 0.9, labels[0], labels[1])
    assert (model.predict(features) == expected).all()
    assert (plain.predict(features) != expected).any()
    stored = skops.io.loads(skops.io.dumps(model), trusted=TRUSTED_TYPES)
    assert (stored.predict(features) == expected).all()
    last = FixedThresholdClassifier(clone(plain[-1]), threshold=0.9, pos_label=labels[0])
    assert set(vars(last.fit(plain[:-1].transform(features), target))) == set(vars(model[-1]))


def test_best_threshold() -> None:
    """It is the best of all there are: no other one gives more on these rows, and it lies between them."""
    draw = np.random.default_rng(0)
    truth = draw.random(300) < 0.2
    chances = np.clip(draw.normal(np.where(truth, 0.4, 0.25), 0.1), 0, 1).round(2)
    figures: dict[str, Any] = {
        "f1": lambda said: f1_score(truth, said),
        "f_beta": lambda said: fbeta_score(truth, said, beta=2),
        "balanced_accuracy": lambda said: balanced_accuracy_score(truth, said),
        "cost": lambda said: -((said & ~truth).sum() + 7 * (~said & truth).sum()) / 300,
    }
    more: dict[str, Any] = {"f_beta": {"beta": 2}, "cost": {"false_positive": 1, "false_negative": 7}}
    for by, figure in figures.items():
        asked = Threshold.model_validate({"by": by, **more.get(by, {})})
        found, value = best_threshold(asked, truth, chances)
        assert figure(chances >= found) == pytest.approx(value)
        assert value == pytest.approx(max(figure(chances >= e) for e in [0, *np.unique(chances) + 0.001]))
        assert found not in chances
    free = Threshold.model_validate({"by": "cost", "false_positive": 1, "false_negative": 0})
    found, value = best_threshold(free, truth, chances)
    assert value == 0
    assert not (chances[~truth] >= found).any()


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ({}, "give by .* or value, one of the two"),
        ({"by": "f1", "value": 0.5}, "one of the two"),
        ({"by": "f_beta"}, "beta belongs to by: f_beta, which needs it"),
        ({"by": "cost", "false_positive": 1}, "belong to by: cost, which needs both"),
    ],
)
def test_threshold_says_one_thing(threshold: dict[str, Any], message: str) -> None:
    """What a threshold is chosen by is said once and wholly."""
    with pytest.raises(ValidationError, match=message):
        config(threshold=threshold)


def test_positive_class() -> None:
    """The positive class is one of two, by its text whatever its type; by default the second."""
    whole = np.array([0, 1])
    assert positive_class(Threshold(by="f1"), whole) == 1
    assert positive_class(Threshold(by="f1", positive="0"), whole) == 0
    with pytest.raises(ComponentError, match=r"positive: no class 'c'; there are \[0, 1\]"):
        positive_class(Threshold(by="f1", positive="c"), whole)
    with pytest.raises(ComponentError, match="it is for two classes, the target has 3"):
        positive_class(Threshold(by="f1"), np.arange(3))


def test_class_weights() -> None:
    """Weights by name reach the class that is meant, whatever its type; without, the forest is as it was."""
    for labels, weights in (((0, 1), {"1": 5, 0: 1}), (("a", "b"), {"a": 1, "b": 5})):
        options = config(class_weight=weights)
        features, target = prepare(table(labels), "y", options.features)
        forest = new_pipeline(asked_for(options, features, target))["forest"]
        assert forest.class_weight == {labels[0]: 1, labels[1]: 5}
    assert new_pipeline(asked_for(config(), features, target))["forest"].class_weight is None
    balanced = new_pipeline(asked_for(config(class_weight="balanced"), features, target))
    assert balanced["forest"].class_weight == "balanced"
    with pytest.raises(ValidationError, match="class_weight is given twice, once in forest"):
        config(class_weight="balanced", forest={"class_weight": "balanced"})
    for odd in ("balance", {"a": 0}, 3):
        with pytest.raises(ValidationError, match=r"1 validation error[^;]*is not one of none, balanced, "):
            config(class_weight=odd)


def test_intervals_hold_the_truth() -> None:
    """Mean and interval over folds: of 100 measurements with a known mean, about 95 intervals have it."""
    draw = np.random.default_rng(0)
    labels = np.array([0, 1] * 50)
    holds = []
    for seed in range(100):
        truth = draw.random(100) < 0.8

        def measure(learn: Any, validate: Any, truth: Any = truth) -> dict[str, float]:
            assert not set(learn) & set(validate)
            return {"accuracy": float(truth[validate].mean())}

        found = cross_validated(labels, 5, Classification().folds(labels, 5, 2, seed), measure)
        assert len(found) == 10
        row = summarised(found, 5).loc["accuracy"]
        holds.append(row["low"] <= 0.8 <= row["high"])
    assert 90 <= sum(holds) <= 100
    assert fold_metrics(summarised(found, 5))["cv_accuracy"] == pytest.approx(truth.mean())
    assert fold_figure(found, summarised(found, 5), "title").axes
    with pytest.raises(ComponentError, match=r"cross_validation 5: class 1 has 3 rows.*3 folds at most"):
        Classification().folds(np.array([0] * 10 + [1] * 3), 5, 1, 1)
    with pytest.raises(ComponentError, match="two folds are needed"):
        check_folds(1)
