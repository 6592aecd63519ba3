"""A search for the best configuration: successive halving (Jamieson and Talwalkar 2016).

All are measured on the validation rows. Many candidates learn from few rows; the best third of them learns
from three times as many, and so on until few have learned from all. Each fit is a child run of MLflow; a
search that was cut off takes over what it has finished.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from pydantic import ValidationError

from componentkit.arguments import ComponentError
from componentkit.figures import figure
from componentkit.step import Step, content_digest
from scoring import Labels
from training.config import TrainerConfig
from training.learner import Asked, Learner, learned
from training.space import Search, Values, changed, drawn, rungs
from training.threshold import deciding

KEY, TRIAL = "search.key", "search.trial"
_HIGHER = ("roc_auc", "accuracy", "f1_macro", "r2")
_DEFAULT = {"classification": "log_loss", "regression": "rmse"}


@dataclass
class Trials:
    """The fits of one search, each a child run; `finished` are those of an earlier attempt, by their name."""

    key: str
    finished: dict[str, dict[str, float]]
    deadline: float = float("inf")
    rows: list[dict[str, Any]] = field(default_factory=list)

    def measured(self, number: int, values: Values, size: int, fit: Any) -> dict[str, float] | None:
        """Returns the scores of a candidate that learned from so many rows; None where time is up."""
        import mlflow

        name = f"{json.dumps(values, sort_keys=True, default=str)} {size}"
        scores = self.finished.get(name)
        if scores is None:
            if time.monotonic() > self.deadline:
                return None
            title = f"candidate {number}, {size:,} rows"
            with mlflow.start_run(nested=True, run_name=title, tags={KEY: self.key, TRIAL: name}):
                mlflow.log_params({**values, "rows": size})
                scores = fit()
                mlflow.log_metrics(scores)
        self.rows.append({"candidate": number, "rows": size, **scores, **values})
        return scores


def candidates(asked: Asked, search: Search, learner: Learner) -> list[tuple[Values, Asked]]:
    """Returns what each candidate changes, and what is asked with that. Raises ComponentError for a key or a
    value that the configuration does not take.
    """
    plain = asked.config.model_dump(exclude_unset=True, exclude={"search"})
    found = []
    for values in drawn(search, asked.seed):
        try:
            config = type(asked.config).model_validate(changed(plain, values))
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))
            raise ComponentError(f"model: search: {values}: {place}: {error.errors()[0]['msg']}") from error
        found.append((values, replace(asked, config=config)))
        learner.pipeline(found[-1][1])  # what is wrong with its options is told before any work
    return found


def search_key(asked: Asked, learner: Learner, data: Path, facts: Mapping[str, Any]) -> str:
    """Returns a digest of all that decides a fit but for the candidate: code, data, configuration, split."""
    folders = [Path(__file__).parent, Path(inspect.getfile(learner.config)).parent]
    code = [content_digest(file) for folder in folders for file in sorted(folder.glob("*.py"))]
    config = asked.config.model_dump(mode="json", exclude={"search"})
    told = [code, content_digest(data), config, version("scikit-learn"), asked.task.name, asked.seed]
    return hashlib.sha256(json.dumps([*told, facts], sort_keys=True, default=str).encode()).hexdigest()


def _finished(key: str) -> dict[str, dict[str, float]]:
    import mlflow

    run = mlflow.active_run()
    if run is None:
        return {}
    found = mlflow.MlflowClient().search_runs(
        [run.info.experiment_id],
        f"tags.`{KEY}` = '{key}' and attributes.status = 'FINISHED'",
        max_results=1000,
    )
    return {each.data.tags[TRIAL]: dict(each.data.metrics) for each in found}


def _subset(asked: Asked, learn: Labels, size: int) -> Labels:
    """Returns as many of the rows to learn from, with the shares of classes that all have."""
    if size >= len(learn):
        return learn
    try:
        _, chosen = asked.task.held_out_rows(asked.labels[learn], size / len(learn), asked.seed)
    except ComponentError:  # a class is so rare that not all would be there
        return learn
    part: Labels = learn[np.sort(chosen)]
    return part


def best_of(
    tried: list[tuple[Values, Asked]],
    search: Search,
    trials: Trials,
    learner: Learner,
    rows: tuple[Labels, Labels],
) -> int:
    """Returns the place of the best candidate among those that learned from the most rows."""
    learn, validate = rows
    by = search.by or _DEFAULT[tried[0][1].task.name]
    sign = -1 if by in _HIGHER else 1
    places, best = list(range(len(tried))), 0
    for count, size in rungs(search.candidates, len(learn)):
        values = {}
        for place in places[:count]:
            asked = tried[place][1]
            part = _subset(asked, learn, size)

            def fit(asked: Asked = asked, part: Labels = part) -> dict[str, float]:
                model, threshold = learned(learner, asked, part, validate)
                model = deciding(asked.config.threshold, model, threshold)
                return asked.task.scores(model, asked.features.iloc[validate], asked.labels[validate])[0]

            scores = trials.measured(place, tried[place][0], size, fit)
            if scores is None:
                break
            if by not in scores:
                raise ComponentError(
                    f"model: search: by: {by} cannot be measured; there are {', '.join(scores)}"
                )
            values[place] = sign * scores[by]
        if values:
            places = sorted(values, key=lambda place: (values[place], place))
            best = places[0]
        if len(values) < count:
            break
    return best


def searched(
    step: Step, learner: Learner, asked: Asked, learn: Labels, validate: Labels
) -> tuple[TrainerConfig, dict[str, Any]]:
    """Returns (best configuration, figure for the report); logs the fits, `search.csv`, and `tuned.yaml`: the
    configuration as the parameter `model` takes it.
    """
    import mlflow

    search: Search = asked.config.search
    tried = candidates(asked, search, learner)
    facts = {"target": step.args.target, "validation": step.args.validation_size}
    key = search_key(asked, learner, Path(step.args.data), facts)
    deadline = time.monotonic() + 60 * search.minutes if search.minutes else float("inf")
    trials = Trials(key, _finished(key), deadline)
    best = best_of(tried, search, trials, learner, (learn, validate))
    values, config = tried[best][0], tried[best][1].config
    if time.monotonic() > deadline:
        step.warn(f"the search ended after {search.minutes:g} minutes: another run goes on where it ended")
    print(f"search: candidate {best} is the best of {len(tried)}: {values or 'the configuration as it is'}")
    mlflow.log_params({f"tuned.{name}": value for name, value in values.items()})
    tuned = config.model_dump(mode="json", exclude_unset=True)
    mlflow.log_text(yaml.safe_dump(tuned, sort_keys=False), "tuned.yaml")
    table = pd.DataFrame(trials.rows)
    mlflow.log_text(table.to_csv(index=False), "search.csv")
    step.metrics({"search_fits": len(table)})
    title = f"Search, {len(tried)} candidates, {len(table)} fits"
    shown = table.iloc[::-1].astype("object").where(table.iloc[::-1].notna(), None)
    text = f"Candidate {best} was chosen; 0 is the configuration as it is."
    columns = list(map(str, table.columns))
    return config, figure(title, columns, shown.to_numpy().tolist(), part="model", description=text)
