"""Facts of a finished pipeline run, for comparison with another one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from waypost.contracts.run_comparison import RunComparison, RunFacts, compare_runs
from waypost.interfaces.interface import component_with, interface_changes
from waypost.tracking.connection import client
from waypost.tracking.registry import Registry
from waypost.tracking.run_reading import facts_of, read_run

_RUN = re.compile(r"runs:/(\w+)")


def run_in(registry: Registry, text: str) -> str:
    """Returns the id of a run of any kind, in the forms of `run_named`."""
    hit = _RUN.fullmatch(text)
    return registry.run_of(hit[1] if hit else text)


def run_named(registry: Registry, text: str) -> str:
    """Returns the id of a pipeline run: from an id, `runs:/ID`, or a release's newest run (`1.4.13`,
    `URL@1.4.13`). Raises UsageError if there is none, or if it is another kind of run.
    """
    run_id = run_in(registry, text)
    registry.tags_of_pipeline_run(run_id)
    return run_id


def run_facts(registry: Registry, text: str) -> RunFacts:
    """Returns the facts of a run. Raises as `run_named`."""
    return facts_of(read_run(client(registry.uri), run_named(registry, text)))


def compared(before: RunFacts, after: RunFacts) -> RunComparison:
    """Returns the differences between two runs, with interface changes of their components."""
    return compare_runs(before, after, _interface_texts)


def _interface_texts(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the differences between two interfaces; a newer engine may have recorded them."""
    try:
        changes = interface_changes(component_with("", before), component_with("", after))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()
    return tuple(map(str, changes))
