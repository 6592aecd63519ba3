"""Verification of a release: its tag, records, signature, and the pins of its pipeline."""

from __future__ import annotations

from waypost.contracts.pipeline import FILE as PIPELINE_FILE
from waypost.contracts.target import Target
from waypost.errors import FindingsError, UsageError
from waypost.pins.verdict import Verdict
from waypost.pins.verify import verify
from waypost.pins.workspace import workspace_of_release
from waypost.release.fetched import Seen, release_of, see_release
from waypost.sources.store import Store
from waypost.sources.waiting import Notify


def verify_release(
    store: Store, target: Target, say: Notify, *, offline: bool, must_be_signed: bool
) -> tuple[Seen, Verdict]:
    """Verifies a target, and the pins of a pipeline; returns the release with all findings.

    Raises UsageError if there is no such version, RemoteError.
    """
    seen = see_release(store, target, offline=offline, must_be_signed=must_be_signed)
    verdict = Verdict()
    if _has_pipeline(seen, target):
        workspace = workspace_of_release(release_of(seen, target), store, say, offline=offline)
        try:
            verdict = verify(workspace)
        except FindingsError as error:
            verdict.findings += error.findings
    if target.url not in verdict.asked and not offline:
        verdict.asked.insert(0, target.url)
    verdict.findings[:0] = seen.findings
    return seen, verdict


def _has_pipeline(seen: Seen, target: Target) -> bool:
    """Tells whether a repository has the requested pipeline; a library has none."""
    named = seen.root / target.folder
    folders = (named, named / (seen.record.pipeline if seen.record else ""))
    found = any((folder / PIPELINE_FILE).is_file() for folder in folders)
    if target.folder and not found and target.folder != seen.inside:
        raise UsageError(f"{target}: no {PIPELINE_FILE} there")
    return found
