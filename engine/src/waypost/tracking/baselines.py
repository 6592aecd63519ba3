"""The default baseline of a run: the previous release, or else the previous run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from waypost.contracts.provenance import OVERRIDES_TAG
from waypost.tracking.names import tag_is
from waypost.tracking.tags import PARENT_TAG, PIPELINE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RELEASE_TAG = "waypost.release"
_LOOKED_AT = 50


def baseline_of(client: MlflowClient, run: Run) -> Run | None:
    """Returns the newest finished run of the release before a run, else the newest run before it; None if
    there is none. Points of a sweep are excluded, and runs of the same release come last.
    """
    pipeline = str(run.data.tags.get(PIPELINE_TAG, ""))
    before = [
        tag_is(PIPELINE_TAG, pipeline),
        "attributes.status = 'FINISHED'",
        f"attributes.start_time < {run.info.start_time}",
    ]
    own = run.data.tags.get(RELEASE_TAG)
    released = _search(client, run, [*before, f"tags.`{RELEASE_TAG}` != ''"])
    others = [each for each in released if each.data.tags.get(RELEASE_TAG) != own]
    found = [
        each
        for each in others or released or _search(client, run, before)
        if each.data.tags.get(PIPELINE_TAG) == pipeline and PARENT_TAG not in each.data.tags
    ]
    newest = found[0].data.tags.get(RELEASE_TAG) if found else None
    same = [each for each in found if newest and each.data.tags.get(RELEASE_TAG) == newest]
    return plain_first(same or found)


def plain_first(runs: Sequence[Run]) -> Run | None:
    """Returns the first of some runs, of runs of a release the first with the parameters of the release."""
    return min(runs, key=lambda run: {RELEASE_TAG, OVERRIDES_TAG} <= run.data.tags.keys(), default=None)


def _search(client: MlflowClient, run: Run, conditions: list[str]) -> list[Any]:
    found: Any = client.search_runs(
        [str(run.info.experiment_id)],
        " AND ".join(conditions),
        order_by=["attributes.start_time DESC"],
        max_results=_LOOKED_AT,
    )
    return list(found)


def named(run: Run, *, chosen: bool) -> str:
    """Returns a baseline as text; one that was `chosen` need not be the previous run."""
    release = run.data.tags.get(RELEASE_TAG)
    if release:
        return f"release {release}"
    return f"run {run.info.run_id[:12]}" if chosen else "the previous run"
