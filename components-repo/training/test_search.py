"""training: a search for the best configuration, and what it promises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from componentkit.arguments import ComponentError
from train_gradient_boosting.model import ModelConfig
from train_gradient_boosting.train import LEARNER
from training.learner import Asked
from training.search import Trials, best_of, candidates, search_key
from training.space import Range, Search, changed, drawn, rungs
from training.tasks import task_of

ROWS = 600
SPACE: dict[str, Any] = {
    "boosting.learning_rate": {"low": 0.01, "high": 0.5, "log": True},
    "boosting.max_leaf_nodes": {"low": 3, "high": 31},
}


def asked(**search: Any) -> Asked:
    draw = np.random.default_rng(0)
    features = pd.DataFrame({name: draw.normal(size=ROWS) for name in "abc"})
    config = {
        "features": {"numeric": ["a", "b", "c"]},
        "boosting": {"max_iter": 5},
        "search": {"space": SPACE, "candidates": 9, **search},
    }
    truth = (features["a"] * features["b"] + draw.normal(0, 0.1, ROWS)).to_numpy()
    return Asked(ModelConfig.model_validate(config), task_of("regression"), features, truth, seed=1)


class Counted(Trials):
    """Trials without a tracking server: what was fitted, in order."""

    def measured(self, number: int, values: Any, size: int, fit: Any) -> dict[str, float] | None:
        if len(self.rows) == self.deadline:
            return None
        scores: dict[str, float] = fit()
        self.rows.append({"candidate": number, "rows": size, **scores})
        return scores


def best(wanted: Asked, most: float = float("inf")) -> tuple[int, pd.DataFrame]:
    trials, rows = Counted("", {}, most), np.arange(ROWS)
    search = wanted.config.search
    found = best_of(candidates(wanted, search, LEARNER), search, trials, LEARNER, (rows[:450], rows[450:]))
    return found, pd.DataFrame(trials.rows)


def test_the_best_learn_from_all_rows() -> None:
    """A third goes on with three times the rows, and the one with the least error on all of them is chosen;
    it is no worse than the configuration as it was.
    """
    assert rungs(27, 9000) == [(27, 333), (9, 1000), (3, 3000), (1, 9000)]
    assert rungs(27, 450) == [(27, 150), (9, 450)]
    assert rungs(2, 50) == [(2, 50)]
    found, table = best(asked())
    assert table.groupby("rows").size().to_dict() == {150: 9, 450: 3}
    first = table[table["rows"] == 150].sort_values("rmse")
    last = table[table["rows"] == 450]
    assert set(last["candidate"]) == set(first["candidate"].head(3))
    assert found == last.sort_values("rmse")["candidate"].iloc[0]
    assert best(asked())[1].equals(table)


def test_a_budget_ends_it() -> None:
    """What was measured until then decides; without a second rung it is the best of the first."""
    found, table = best(asked(), most=5)
    assert found == table["rmse"].idxmin()
    assert len(table) == 5


def test_candidates() -> None:
    """The first is the configuration as it is; the others lie in the space, alike for one seed."""
    wanted = asked()
    tried = [values for values, _ in candidates(wanted, wanted.config.search, LEARNER)]
    assert tried[0] == {}
    assert tried == list(drawn(wanted.config.search, 1)) != list(drawn(wanted.config.search, 2))
    for values in tried[1:]:
        assert 0.01 <= values["boosting.learning_rate"] <= 0.5
        assert values["boosting.max_leaf_nodes"] in range(3, 32)
    assert changed({"a": {"b": 1}, "c": 2}, {"a.d": 3, "e.f": 4}) == {
        "a": {"b": 1, "d": 3},
        "c": 2,
        "e": {"f": 4},
    }
    with pytest.raises(ComponentError, match=r"search: .*early_stoping: Extra inputs"):
        wrong = asked(space={"early_stoping": [True]})
        candidates(wrong, wrong.config.search, LEARNER)
    with pytest.raises(ComponentError, match="did you mean 'learning_rate'"):
        wrong = asked(space={"boosting.learning_rat": [1]})
        candidates(wrong, wrong.config.search, LEARNER)
    with pytest.raises(ComponentError, match="by: roc_auc cannot be measured; there are mae, rmse"):
        best(asked(by="roc_auc"))
    for wrong_range in ({"low": 2, "high": 1}, {"low": 0, "high": 1, "log": True}):
        with pytest.raises(ValidationError):
            Range.model_validate(wrong_range)
    spaces: list[dict[str, Any]] = [{}, {"encode": []}]
    for space in spaces:
        with pytest.raises(ValidationError, match="name at least one key, and a choice for each"):
            Search.model_validate({"space": space})


def test_another_table_is_another_search(tmp_path: Any) -> None:
    """Finished fits are taken over where code, table, configuration and split are the same; a larger budget
    goes on with them.
    """
    table, other = tmp_path / "a.csv", tmp_path / "b.csv"
    table.write_text("a")
    other.write_text("b")
    key = search_key(asked(), LEARNER, table, {"target": "y"})
    assert key == search_key(asked(candidates=81, minutes=3), LEARNER, table, {"target": "y"})
    assert key != search_key(asked(), LEARNER, other, {"target": "y"})
    assert key != search_key(asked(), LEARNER, table, {"target": "z"})
