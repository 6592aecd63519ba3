"""One execution of a component: joins the MLflow run, logs what it read and what it made."""

from __future__ import annotations

import argparse
import difflib
import hashlib
import importlib
import os
import resource
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from componentkit.arguments import NOT_GIVEN, ComponentError, build_parser, load_entry_point

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from pydantic import BaseModel

    from componentkit.delimited import CsvOptions

    Config = TypeVar("Config", bound=BaseModel)


def main(run_file: str, code: str) -> None:
    """Parses the command line, opens the MLflow run, calls `run` of the module `code`; 1 on an error.

    The module is imported only when there is something to do, so that --help answers at once.
    Under `mlflow run` (or any caller that sets MLFLOW_RUN_ID) this is the caller's run, else a new
    one, whose parameters are then logged here.
    """
    project = Path(run_file).with_name("MLproject")
    arguments = build_parser(project).parse_args()
    step = Step(arguments, load_entry_point(project).get("outputs", {}))
    joins = "MLFLOW_RUN_ID" in os.environ
    import mlflow

    try:
        with mlflow.start_run():
            if not joins:
                mlflow.log_params(vars(arguments))
            importlib.import_module(code).run(step)
            # Named as MLflow names what it measures of a machine, for it is another one each time.
            mlflow.log_metric("system/peak_memory_mb", peak_memory_mb())
    except ComponentError as error:
        if arguments.debug or os.environ.get("COMPONENT_DEBUG"):
            raise
        place = f"{step.file}: " if step.file and step.file not in str(error) else ""
        print(f"error: {place}{error}", file=sys.stderr)
        sys.exit(error.code)


class Step:
    """The parameters of one execution (`step.args.NAME`), its inputs, outputs and metrics."""

    def __init__(self, arguments: argparse.Namespace, outputs: dict[str, Any]) -> None:
        self.args = arguments
        self._outputs = outputs
        self.file = ""  # the table that an error is about
        self._warnings: list[str] = []

    def is_given(self, parameter: str) -> bool:
        """Tells whether an optional `path` parameter was given."""
        return bool(getattr(self.args, parameter) != NOT_GIVEN)

    def table(self, parameter: str, csv: CsvOptions | None = None) -> pd.DataFrame:
        """Reads the table at a `path` parameter and logs it as an input of the run; `csv` says how one is."""
        from componentkit.tables import read_table

        path = Path(getattr(self.args, parameter))
        self.file = path.name
        table = read_table(path, csv, self.warn)
        self.log_input(parameter, path)
        return table

    def config(self, parameter: str, model: type[Config]) -> Config:
        """Reads a YAML file at a `path` parameter into a pydantic model; not given reads as empty.

        Raises ComponentError that names every wrong key.
        """
        from pydantic import ValidationError

        try:
            text = Path(getattr(self.args, parameter)).read_text(encoding="utf-8")
            return model.model_validate(yaml.safe_load(text) or {})
        except ValidationError as error:
            keys = set(_keys(model.model_json_schema()))
            places = [(".".join(map(str, e["loc"])), _problem(dict(e), keys)) for e in error.errors()]
            problems = "; ".join(f"{place}: {message}" if place else message for place, message in places)
            raise ComponentError(f"{parameter}: {problems}") from error
        except (yaml.YAMLError, OSError) as error:
            raise ComponentError(f"{parameter}: {' '.join(str(error).split())}") from error

    def log_input(self, name: str, path: Path, *, source: str | None = None) -> None:
        """Logs a file or folder as an MLflow dataset whose digest is that of its content."""
        import mlflow
        from mlflow.data.dataset_source_registry import resolve_dataset_source
        from mlflow.data.meta_dataset import MetaDataset

        digest = content_digest(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow finds a local path ambiguous
            origin = resolve_dataset_source(source or str(path))
        # MLflow keeps at most 36 characters of a dataset's digest; its class is abstract by oversight.
        dataset = MetaDataset(origin, name=path.name, digest=digest[:32])  # type: ignore[abstract]
        mlflow.log_input(dataset, context=name)
        mlflow.set_tag(f"input.{name}.sha256", digest)

    @contextmanager
    def output(self, name: str) -> Iterator[Path]:
        """Gives a path to write the output to; logs it as an artifact, with its digest as a tag."""
        import mlflow

        artifact = Path(self._outputs[name]["path"])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, artifact.name)
            yield path
            mlflow.set_tag(f"output.{name}.sha256", content_digest(path))
            if path.is_dir():
                mlflow.log_artifacts(str(path), str(artifact))
            else:
                parent = str(artifact.parent)
                mlflow.log_artifact(str(path), None if parent == "." else parent)

    def hand_over(
        self, figures: Iterable[Mapping[str, Any]], tables: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """Logs the output `figures`: what the report of the run shows of this step."""
        from componentkit.figures import document

        with self.output("figures") as path:
            path.write_text(document(figures, tables), encoding="utf-8")

    def warn(self, text: str) -> None:
        """Prints what the user should know although the work goes on, and keeps it with the run."""
        import mlflow

        print(f"warning: {text}")
        self._warnings.append(text)
        mlflow.set_tag("warnings", "\n".join(self._warnings)[:5000])

    def metrics(self, values: dict[str, float]) -> None:
        """Logs metrics on the run and prints the ones without a `/` in their name."""
        import mlflow

        mlflow.log_metrics({name: float(value) for name, value in values.items()})
        for name, value in values.items():
            if "/" not in name:
                print(f"{name}: {value:.6g}")

    def figure(self, name: str, figure: Figure) -> None:
        """Logs a plot as `plots/NAME.png`."""
        import mlflow

        mlflow.log_figure(figure, f"plots/{name}.png", save_kwargs={"dpi": 150})


def _problem(error: dict[str, Any], keys: set[str]) -> str:
    """Returns what is wrong with a value in YAML; for a key that is not known, which one is meant."""
    if error["type"] != "extra_forbidden":
        return str(error["msg"]).removeprefix("Value error, ")
    close = difflib.get_close_matches(str(error["loc"][-1]), sorted(keys), n=1)
    return "there is no such key" + (f"; did you mean {close[0]!r}?" if close else "")


def _keys(schema: Any) -> Iterator[str]:
    """Gives the names of all keys in a JSON Schema, however deep."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"]
    for part in parts:
        yield from _keys(part)


def peak_memory_mb() -> float:
    """Returns the largest memory that this process has had so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def content_digest(path: Path) -> str:
    """Returns the sha256 (hex) of a file, or of the names and digests of a folder's files."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(p for p in path.rglob("*") if p.is_file())
    listing = "".join(f"{content_digest(p)}  {p.relative_to(path).as_posix()}\n" for p in files)
    return hashlib.sha256(listing.encode()).hexdigest()
