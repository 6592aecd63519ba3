"""Models from Python: predictions for data frames, and scoring of whole tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from waypost.batch.fingerprint import ALL, PREDICTION, ScoringOptions, encoding_named, sign_named
from waypost.batch.job import ScoringRequest
from waypost.batch.job import run as execute
from waypost.batch.scoring import Progress
from waypost.errors import WaypostError
from waypost.inference.compiled import Answer
from waypost.inference.fetching import fetched_model
from waypost.inference.layout import TableError
from waypost.inference.model_cache import ReadyModel, ready, ready_in_its_environment
from waypost.inference.original import Original
from waypost.report import common
from waypost.report.console import python_console
from waypost.report.deploy import ScoreBar
from waypost.system.scratch import scratch

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Model:
    """A model that answers as MLflow's own `pyfunc` does, in its compiled form if that is proved equal.

    `label` is its name for people, `digest` the digest of its files; `reason` says why the original answers,
    and is empty if the compiled form does. Thread-safe.
    """

    label: str
    digest: str
    reason: str
    _ready: ReadyModel = field(repr=False)

    @property
    def is_compiled(self) -> bool:
        """Whether the compiled form answers."""
        return not self.reason

    @property
    def columns(self) -> dict[str, str]:
        """The model's input columns, with the types of its signature."""
        return {column.name: column.type for column in self._ready.mlmodel.inputs}

    def predict(self, frame: pd.DataFrame) -> pd.Series | pd.DataFrame:
        """Returns the answer for each row, with the index of the frame: a series, or a frame if the model has
        several output columns. Raises WaypostError if the model refuses the rows.
        """
        import pandas as pd

        labels = self._answer(frame).labels
        if len(labels) and all(isinstance(label, dict) for label in labels):
            return pd.DataFrame.from_records(list(labels), index=frame.index)
        values = list(labels) if labels.ndim > 1 else labels
        return pd.Series(values, index=frame.index, name=PREDICTION)

    def probabilities(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Returns the probability of each class (columns) for each row. Raises WaypostError, also if the
        model has none.
        """
        import pandas as pd

        answer, classes = self._answer(frame), self._ready.answers.classes
        if classes is None:
            raise WaypostError(f"{self.label} has no probabilities, or several targets")
        return pd.DataFrame(answer.probabilities, index=frame.index, columns=classes.tolist())

    def _answer(self, frame: pd.DataFrame) -> Answer:
        import pyarrow as pa

        model = self._ready
        if isinstance(model.answers, Original):
            return model.answers.of_frame(frame)
        wanted = [column.name for column in model.mlmodel.inputs if column.name in frame.columns]
        try:
            return model.answers.of_table(pa.Table.from_pandas(frame[wanted], preserve_index=False))
        except (TableError, pa.ArrowException, TypeError, ValueError):
            return model.original.of_frame(frame)  # MLflow's own answer, or its refusal


@dataclass(frozen=True)
class Scored:
    """A scored table: `rows` read, `skipped` among them; `run_id` is empty without tracking, `was_there` is
    true if the output was complete before. `manifest` is the content of OUTPUT/_manifest.json.
    """

    output: str
    rows: int
    skipped: int
    was_there: bool
    run_id: str
    seconds: float
    manifest: Mapping[str, Any] = field(repr=False)


def load_model(uri: str | Path, *, trust: bool = False, env: Literal["local", "model"] = "local") -> Model:
    """Returns a model ready to answer; the first call for a model takes some seconds to compile it.

    Args: `uri` is models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN/PATH, or a folder with an MLflow model.
    `trust` loads a model even if that may run code; `env="model"` runs it in its own environment.

    Raises WaypostError if there is no such model, or loading it is unsafe and it is not trusted.
    """
    in_own = env == "model"
    with (
        scratch() as temp,
        fetched_model(str(uri), temp / "model.state", is_trusted=trust, in_own=in_own) as fetched,
    ):
        model = (
            ready_in_its_environment(fetched.folder) if in_own else ready(fetched.folder, is_trusted=trust)
        )
    reason = "" if model.proof.is_equal else model.proof.reason
    return Model(fetched.label, model.digest, reason, model)


def score(
    model: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    ids: Iterable[str] = (),
    keep: Iterable[str] | Literal["all"] = (),
    probabilities: bool = False,
    format: Literal["parquet", "csv"] = "parquet",  # noqa: A002 (the option's name)
    on_error: Literal["fail", "skip"] = "fail",
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    part_rows: int = 16_384,
    threads: int | None = None,
    overwrite: bool = False,
    track: bool = True,
    trust: bool = False,
    env: Literal["local", "model"] = "local",
    on: str = "",
    quiet: bool = False,
) -> Scored:
    """Scores each row of the table `source` with a model, and writes the answers into the folder `output`.

    The arguments are those of `waypost score`. If the process is killed, the same call continues. Progress
    goes to stdout, unless `quiet`. Raises WaypostError.
    """
    options = ScoringOptions(
        ids=tuple(ids),
        keep=(ALL,) if keep == ALL else tuple(keep),
        probabilities=probabilities,
        format=format,
        part_rows=part_rows,
        on_error=on_error,
        separator=sign_named("separator", separator),
        decimal=sign_named("decimal", decimal),
        encoding=encoding_named("encoding", encoding),
    )
    request = ScoringRequest(
        str(model), str(source), str(output), options, threads, overwrite, track, trust, env == "model", on
    )
    console = python_console()
    with contextlib.ExitStack() as stack:
        progress = Progress() if quiet else stack.enter_context(ScoreBar(console))
        say = (lambda _: None) if quiet else common.notifier(console)
        done = execute(request, progress, say, lambda text: None if quiet else common.warn(console, text))
    scored = done.scored
    return Scored(
        str(output),
        scored.rows,
        scored.skipped,
        scored.is_current,
        done.run_id,
        done.seconds,
        scored.manifest,
    )
