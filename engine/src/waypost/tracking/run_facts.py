"""What a finished pipeline run says of itself, to be compared with another one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from waypost.contracts.metrics import metrics_in
from waypost.contracts.run_comparison import RunFacts, StepFacts
from waypost.tracking.origins import StepRun
from waypost.tracking.registry import Registry
from waypost.tracking.tags import KEY_TAG

_TREE = "waypost.tree."
_RUN = re.compile(r"runs:/(\w+)")


def run_facts(registry: Registry, text: str) -> RunFacts:
    """Returns the facts of a run (its id, `runs:/ID`), or of a release's newest one (`1.4.13`, `URL@1.4.13`).

    Raises UsageError where there is none, or where it is of another kind.
    """
    hit = _RUN.fullmatch(text)
    run = registry.pipeline_run(registry.run_of(hit[1] if hit else text))
    makers = {step.run_id: step.name for step in run.steps}
    steps = {step.name: _step(step, makers) for step in run.steps}
    return RunFacts(run.run_id, run.name, run.parameters, steps)


def _step(step: StepRun, makers: Mapping[str, str]) -> StepFacts:
    taken = {name: makers[run] for name, (run, _) in step.inputs.items() if run in makers}
    inputs = {name: digest for name, digest in step.input_digests.items() if digest}
    return StepFacts(
        step.run_id,
        step.tags.get(KEY_TAG, ""),
        step.component,
        {name.removeprefix(_TREE): tree for name, tree in step.tags.items() if name.startswith(_TREE)},
        {name: text for name, text in step.parameters.items() if name not in step.inputs},
        inputs,
        taken,
        step.digests,
        step.metrics,
        metrics_in(step.tags),
    )
