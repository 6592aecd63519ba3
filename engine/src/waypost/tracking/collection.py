"""All runs that Waypost made on a tracking server: their dependencies, sizes and deletion."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from waypost.contracts.retention import ServerRun
from waypost.tracking.connection import client
from waypost.tracking.local import tracking_uri
from waypost.tracking.runs import named_in
from waypost.tracking.tags import PARENT_TAG, PIPELINE_TAG, STEP_TAG, SWEEP_TAG

if TYPE_CHECKING:
    from mlflow.entities import FileInfo, Run

KEEP_TAG = "waypost.keep"
_KINDS = {PIPELINE_TAG: "pipeline", SWEEP_TAG: "sweep", STEP_TAG: "step"}
_NAMED_RUN = re.compile(r"runs:/(\w+)")
_LOGGED_MODEL = re.compile(r"models:/(m-\w+)")
_MOST = 1000


class Collection:
    """The runs of all experiments. Call it within `tracking_errors`."""

    def __init__(self) -> None:
        import mlflow

        self.uri = tracking_uri()
        mlflow.set_tracking_uri(self.uri)
        self._client = client(self.uri)
        self._runs: dict[str, Run] = {}

    def runs(self) -> list[ServerRun]:
        """Returns all runs that Waypost made and that are not deleted."""
        self._runs = {}
        names = {e.experiment_id: str(e.name) for e in _pages(self._client.search_experiments)}
        for tag in _KINDS:
            query = f"tags.`{tag}` != ''"
            for run in _pages(self._client.search_runs, experiment_ids=list(names), filter_string=query):
                self._runs[str(run.info.run_id)] = run
        return [_facts(run, names[run.info.experiment_id]) for run in self._runs.values()]

    def registered(self) -> dict[str, str]:
        """Returns the reason to keep each run that made a registered model."""
        found: set[str] = set()
        for version in _pages(self._client.search_model_versions):
            source = str(version.source or "")
            named = {str(version.run_id or ""), *_NAMED_RUN.findall(source)} - {""}
            if not named and (hit := _LOGGED_MODEL.match(source)):
                named = {str(self._client.get_logged_model(hit[1]).source_run_id)}
            found |= named
        return dict.fromkeys(found, "made a registered model")

    def bytes_of(self, run_id: str) -> int:
        """Returns the size of the artifacts of a run and its logged models."""
        run = self._runs[run_id]
        size = _size(str(run.info.artifact_uri), functools.partial(self._client.list_artifacts, run_id))
        for model_id in self._models(run):
            place = str(self._client.get_logged_model(model_id).artifact_location)
            size += _size(place, functools.partial(self._client.list_logged_model_artifacts, model_id))
        return size

    def delete(self, run_id: str) -> None:
        """Marks a run and its logged models as deleted; `mlflow gc` removes what is marked."""
        self._client.delete_run(run_id)
        for model_id in self._models(self._runs[run_id]):
            self._client.delete_logged_model(model_id)

    def _models(self, run: Run) -> list[str]:
        """Returns the models that a run logged; a pipeline's run only names those of its steps."""
        if PIPELINE_TAG in run.data.tags:
            return []
        return [str(model.model_id) for model in (run.outputs.model_outputs if run.outputs else ())]


def _pages(search: Callable[..., Any], **asked: Any) -> Iterator[Any]:
    """Yields all results of a search, page by page."""
    token = None
    while True:
        found = search(**asked, max_results=_MOST, page_token=token)
        yield from found
        token = found.token
        if not token:
            return


def _facts(run: Run, experiment: str) -> ServerRun:
    info, tags = run.info, run.data.tags
    kind = next(kind for tag, kind in _KINDS.items() if tag in tags)
    given = {run_id for text in run.data.params.values() for run_id in _NAMED_RUN.findall(text)}
    return ServerRun(
        run_id=str(info.run_id),
        experiment=experiment,
        kind=kind,
        status=str(info.status),
        ended=(info.end_time or info.start_time) / 1000,
        parent=tags.get(PARENT_TAG, ""),
        pipeline=tags.get(PIPELINE_TAG, "") or tags.get(SWEEP_TAG, ""),
        release=tags.get("waypost.release", ""),
        lock=tags.get("waypost.lock", ""),
        is_marked=KEEP_TAG in tags,
        needs=frozenset({*named_in(tags, STEP_TAG).values(), *given}),
    )


def _size(place: str, listed: Callable[[str | None], list[FileInfo]]) -> int:
    """Returns the number of bytes at a location: a local folder, else according to the server's listing."""
    folder = Path(place.removeprefix("file://"))
    if folder.is_absolute() and folder.is_dir():
        files = (Path(path, name) for path, _, names in os.walk(folder) for name in names)
        return sum(file.lstat().st_size for file in files)
    size = 0
    folders: list[str | None] = [None]
    while folders:
        for each in listed(folders.pop()):
            if each.is_dir:
                folders.append(each.path)
            else:
                size += each.file_size or 0
    return size
