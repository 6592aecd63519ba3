"""The declared outputs of a step in its run: whether they exist and match the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from waypost.contracts.component import EntryPoint
from waypost.contracts.mlmodel import FILE as MODEL_FILE
from waypost.errors import WaypostError
from waypost.runs.logs import not_logged
from waypost.sources.files import read_mlmodel
from waypost.tracking.runs import Runs


@dataclass(frozen=True)
class Outputs:
    """Local paths of a step's outputs, or the `problem` if one is not as declared."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    problem: str = ""


def find_outputs(entry_point: EntryPoint, run_id: str, runs: Runs) -> Outputs:
    """Returns the declared outputs of a step that ended well."""
    paths: dict[str, Path] = {}
    for name, output in entry_point.outputs.items():
        path = runs.output(run_id, output.path)
        if path is None:
            return Outputs(problem=not_logged(name, output.path, runs.logged(run_id)))
        if output.type == "mlflow-model" and (problem := model_problem(path, output.metadata)):
            return Outputs(problem=f"the step ended well, but its output {name!r} ({output.path}) {problem}")
        paths[name] = path
    return Outputs(paths, models_in(entry_point, paths))


def models_in(entry_point: EntryPoint, paths: Mapping[str, Path | str]) -> tuple[str, ...]:
    """Returns the artifacts that are MLflow models, by declared type, else by content if it is here."""
    return tuple(
        output.path
        for name, output in entry_point.outputs.items()
        if output.type == "mlflow-model"
        or (not output.type and name in paths and is_model(Path(paths[name])))
    )


def model_problem(folder: Path, metadata: Sequence[str]) -> str:
    """Returns why a folder is not the MLflow model that the contract declares, empty if it is."""
    if not is_model(folder):
        return "is not an MLflow model"
    try:
        there = read_mlmodel(folder).metadata or {}
    except WaypostError as error:
        return f"is not a readable MLflow model: {error}"
    lost = ", ".join(repr(key) for key in metadata if key not in there)
    return f"is a model without {lost} in its metadata, which the contract declares" if lost else ""


def is_model(folder: Path) -> bool:
    """Returns whether a folder holds an MLflow model."""
    return (folder / MODEL_FILE).is_file()
