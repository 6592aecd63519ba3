"""Files as W&B stores and shows them: artifacts, images, pages, tables."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost.compat.wandb import publish
from waypost.contracts.mlmodel import FILE as MODEL_FILE
from waypost.errors import FindingsError
from waypost.sources.files import content_files
from waypost.texts.json_text import read_json
from waypost.tracking import names

if TYPE_CHECKING:
    from wandb import Artifact, Run

_MOST_ROWS = 10_000  # of a table
_TABLES, _PAGES = (".csv", ".json"), (".html", ".svg")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
SHOWN = (*_PICTURES, *_PAGES, *_TABLES)
_DATA = (".csv", ".parquet", ".jsonl", ".arrow", ".feather", ".tsv", ".gz", ".zip")


def log_artifact(run: Run, each: Mapping[str, str], aliases: list[str], *, used: bool = False) -> None:
    """Logs an artifact, or records it as used: by content, which is the same version if W&B has it."""
    publish(run, _artifact(each["artifact"], Path(each["path"]), each), aliases, used=used)


def _artifact(name: str, path: Path, about: Mapping[str, str]) -> Artifact:
    """Returns the content at a path as a W&B artifact; its type follows from the content."""
    import wandb

    files = content_files(path) if path.is_dir() else [path]
    if (path / MODEL_FILE).is_file():
        kind = "model"
    else:
        kind = "dataset" if all(file.suffix.lower() in _DATA for file in files) else "result"
    metadata = {key: value for key, value in about.items() if key not in ("artifact", "path", "uri")}
    artifact = wandb.Artifact(names.artifact(name), kind, metadata=metadata)
    for file in files:
        artifact.add_file(str(file), file.relative_to(path).as_posix() if path.is_dir() else file.name)
    return artifact


def media_of(file: Path) -> Any:
    """Returns a file as W&B media, None if it cannot be shown."""
    import wandb

    suffix = file.suffix.lower()
    if suffix in _PICTURES:
        return wandb.Image(str(file))
    if suffix in _PAGES:
        return wandb.Html(file.read_text(encoding="utf-8"), inject=False)
    # A file that cannot be read as a table is not one, whatever its name.
    with contextlib.suppress(ValueError, FindingsError):
        if suffix == ".csv":
            import pandas as pd

            return wandb.Table(dataframe=pd.read_csv(file, nrows=_MOST_ROWS), allow_mixed_types=True)
        content = read_json(file.read_text(encoding="utf-8"), str(file), with_nan=True)
        if (
            isinstance(content, dict) and {"columns", "data"} <= content.keys()
        ):  # what `mlflow.log_table` writes
            rows = content["data"][:_MOST_ROWS]
            return wandb.Table(columns=content["columns"], data=rows, allow_mixed_types=True)
    return None
