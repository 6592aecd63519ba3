"""Drift between the requests of a server and the training data of its model, checked by a component.

The component with which the pipeline checks its data compares the samples with the training table: the same
tests and code, run and tracked as a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from waypost.contracts.mlmodel import Column, MLmodel
from waypost.errors import UsageError
from waypost.pins.workspace import Workspace
from waypost.promotion.aliases import info
from waypost.runs import runner
from waypost.runs.events import Reporter, RunResult
from waypost.runs.preflight import Options
from waypost.runs.single import component_that_takes, one_step
from waypost.serving.prediction_log import MODEL, PREDICTIONS
from waypost.sources.files import read_mlmodel
from waypost.tracking.connection import tracking_errors
from waypost.tracking.registry import Registry

if TYPE_CHECKING:
    import pyarrow as pa

_GIVEN = dict.fromkeys(("data", "reference", "checks"), "path")
_MOST_CATEGORIES = 100


@dataclass(frozen=True)
class DriftRequest:
    """The model, the folder of samples, the chance of a false alarm (`alpha`), and the component
    (SOURCE/COMPONENT; empty: the one with the parameters of `_GIVEN`).
    """

    model: str
    samples: Path
    alpha: float
    env: str
    component: str = ""


def check_drift(
    request: DriftRequest, workspace: Workspace, temp: Path, reporter: Reporter, notify: Callable[[str], None]
) -> RunResult:
    """Runs the drift checks as a pipeline of one step; drift fails the step.

    Args: `workspace` belongs to a pipeline with a component that compares two tables (parameters data,
    reference, checks); `temp` is an empty folder.
    Raises UsageError if the samples or the training table are not available.
    """
    version, folder = info(request.model)
    label = f"{version.name}/{version.version}"
    mlmodel = read_mlmodel(folder)
    columns = tuple(column for column in mlmodel.inputs if column.kind != "other")
    names = [column.name for column in columns]
    samples = _samples(request.samples, label, names)
    with tracking_errors():
        reference = _reference(Registry(), version.run_id, names)
    numeric, categorical = _compared(mlmodel, columns, reference, samples, notify)
    notify(
        f"{samples.num_rows:,} logged rows of {label} against {reference.num_rows:,} rows of training data"
    )
    files = {"data": _written(samples, temp / "samples.parquet")}
    files["reference"] = _written(reference.select(names), temp / "training.parquet")
    drift = {"alpha": request.alpha, "numeric": numeric, "categorical": categorical}
    uses, code = component_that_takes(_GIVEN, workspace, request.component)
    arguments = {**files, "checks": {"drift": drift}}
    prepared = one_step(temp, f"{version.name}-drift", "check_drift", uses, code, arguments)
    return runner.run(prepared, Options(env=request.env), reporter)


def _samples(folder: Path, label: str, names: Sequence[str]) -> pa.Table:
    """Returns the logged rows that a model answered. Raises UsageError if there are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(folder.glob(PREDICTIONS))
    if not files:
        hint = "log them: waypost serve MODEL --log-predictions DIR"
        raise UsageError(f"{folder}: no predictions here", hint=hint)
    tables = [pq.read_table(file) for file in files]
    models = {model for table in tables for model in table[MODEL].unique().to_pylist()}
    if label not in models:
        raise UsageError(
            f"{folder}: no predictions of {label}", hint=f"models in this log: {', '.join(sorted(models))}"
        )
    import pyarrow.compute as pc

    chosen = [table.filter(pc.equal(table[MODEL], label)) for table in tables]
    return pa.concat_tables([table.select(names) for table in chosen if table.num_rows])


def _reference(registry: Registry, run_id: str, names: Sequence[str]) -> pa.Table:
    """Returns the training table of a run. Raises UsageError if it is not available."""
    import pyarrow.parquet as pq

    maker = registry.origin(registry.pipeline_of(run_id)).steps
    steps = [step for step in maker.values() if step.run_id == run_id]
    for step in steps:
        for source, path in step.inputs.values():
            if path.endswith(".parquet") and (file := registry.file(source, path)):
                table = pq.read_table(file)
                if set(names) <= set(table.schema.names):
                    return table
    raise UsageError(f"run {run_id}: its training table is not available")


def _compared(
    mlmodel: MLmodel,
    columns: Sequence[Column],
    reference: pa.Table,
    samples: pa.Table,
    notify: Callable[[str], None],
) -> tuple[list[str], list[str]]:
    """Returns (numeric, categorical): the columns that can be compared."""
    known = (mlmodel.metadata or {}).get("features") or {}
    numeric, categorical, left = [], [], []
    for column in columns:
        name = column.name
        values = samples[name]
        if values.null_count == len(values) or reference[name].null_count == reference.num_rows:
            left.append(name)
        elif column.kind != "text":
            numeric.append(name)
        elif name in known.get("categorical", ()) or len(reference[name].unique()) <= _MOST_CATEGORIES:
            categorical.append(name)
        else:
            left.append(name)
    if left:
        notify(f"not compared (free text, or no values): {', '.join(left)}")
    return numeric, categorical


def _written(table: pa.Table, file: Path) -> str:
    import pyarrow.parquet as pq

    pq.write_table(table, file)
    return str(file)
