"""A pipeline run as the tracking server has it: the run, its steps' runs, its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from waypost.contracts import outcome as contract
from waypost.contracts import provenance
from waypost.contracts.declared_outputs import outputs_declared
from waypost.contracts.metrics import metrics_in
from waypost.contracts.outcome import Outcome, StepOutcome, parse_outcome
from waypost.contracts.run_comparison import Predictions, RunFacts, StepFacts
from waypost.errors import FindingsError
from waypost.tracking.origins import StepRun
from waypost.tracking.runs import TooLargeError, bounded_output_in
from waypost.tracking.tags import KEY_TAG, PARENT_TAG, PIPELINE_TAG, STEP_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_TREE = "waypost.tree."
_PAGE = 100
_MOST_BYTES = 8_000_000
_NOTHING = StepOutcome(name="", uses="", state="")


@dataclass(frozen=True)
class ReadRun:
    """A pipeline run: `results` are the runs that hold its steps' results, `others` those of steps that did
    not end well; `outcome` is None for runs of engines that did not record it.
    """

    parent: Run
    results: Mapping[str, Run]
    others: Mapping[str, Run]
    outcome: Outcome | None

    @cached_property
    def _outcomes(self) -> dict[str, StepOutcome]:
        return {each.name: each for each in self.outcome.steps} if self.outcome else {}

    def outcome_of(self, step: str) -> StepOutcome:
        """Returns the recorded outcome of a step, empty if there is none."""
        return self._outcomes.get(step, _NOTHING)


def read_run(client: MlflowClient, run_id: str) -> ReadRun:
    """Returns a pipeline run, with one request for its own steps and one for those of other runs."""
    parent = client.get_run(run_id)
    prefix = f"{STEP_TAG}."
    ids = {k.removeprefix(prefix): v for k, v in parent.data.tags.items() if k.startswith(prefix)}
    experiment = str(parent.info.experiment_id)
    children = list(_searched(client, experiment, f"tags.`{PARENT_TAG}` = '{run_id}'"))
    known = {str(run.info.run_id): run for run in children}
    missing = [each for each in ids.values() if each not in known]
    for start in range(0, len(missing), _PAGE):
        listed = ", ".join(f"'{each}'" for each in missing[start : start + _PAGE] if each.isalnum())
        found = _searched(client, experiment, f"attributes.run_id IN ({listed})") if listed else ()
        known |= {str(run.info.run_id): run for run in found}
    results = {name: known.get(each) or client.get_run(each) for name, each in ids.items()}
    others = {
        str(run.data.tags.get(STEP_TAG, "")): run
        for run in reversed(children)  # the last of several attempts
        if run.data.tags.get(STEP_TAG, "") not in ids and PIPELINE_TAG not in run.data.tags
    }
    return ReadRun(parent, results, {n: run for n, run in others.items() if n}, _outcome(client, parent))


def _searched(client: MlflowClient, experiment: str, query: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        found: Any = client.search_runs(
            [experiment], query, order_by=["attributes.start_time DESC"], max_results=_PAGE, page_token=token
        )
        yield from found
        token = found.token
        if not token:
            return


def _outcome(client: MlflowClient, parent: Run) -> Outcome | None:
    text = text_of(client, parent, f"{provenance.FOLDER}/{contract.FILE}")
    try:
        return parse_outcome(text) if text else None
    except FindingsError:  # anybody may have written it, even a newer engine
        return None


def text_of(client: MlflowClient, run: Run, artifact: str) -> str:
    """Returns the text of an artifact, empty if there is none, or if it is too large."""
    try:
        path = bounded_output_in(client, run, artifact, _MOST_BYTES)
    except TooLargeError:
        return ""
    return path.read_text(encoding="utf-8", errors="replace") if path else ""


def step_run(name: str, run: Run) -> StepRun:
    """Returns a step's run as a value, without its models."""
    data = run.data
    return StepRun(name, str(run.info.run_id), dict(data.tags), dict(data.metrics), dict(data.params), {})


def facts_of(read: ReadRun) -> RunFacts:
    """Returns the facts of a run for a comparison."""
    steps = [step_run(name, run) for name, run in read.results.items()]
    makers = {step.run_id: step.name for step in steps}
    tags = read.parent.data.tags
    interfaces = read.outcome.interfaces if read.outcome else {}
    return RunFacts(
        str(read.parent.info.run_id),
        str(tags.get(PIPELINE_TAG, "")),
        dict(read.parent.data.params),
        {s.name: _step(s, makers, read.outcome_of(s.name), interfaces) for s in _ordered(steps, read)},
    )


def _ordered(steps: Iterable[StepRun], read: ReadRun) -> list[StepRun]:
    """Returns steps in the pipeline's order, if the run records it."""
    names = [each.name for each in read.outcome.steps] if read.outcome else []
    places = {name: at for at, name in enumerate(names)}
    return sorted(steps, key=lambda step: places.get(step.name, len(places)))


def trees_in(tags: Mapping[str, str]) -> dict[str, str]:
    """Returns the git trees of a step's code, by folder."""
    return {name.removeprefix(_TREE): tree for name, tree in tags.items() if name.startswith(_TREE)}


def _step(
    step: StepRun,
    makers: Mapping[str, str],
    outcome: StepOutcome,
    interfaces: Mapping[str, Mapping[str, Any]],
) -> StepFacts:
    """Returns the facts of a step for a comparison."""
    taken = {name: makers[run] for name, (run, _) in step.inputs.items() if run in makers}
    inputs = {name: digest for name, digest in step.input_digests.items() if digest}
    predictions = {
        name: Predictions(step.run_id, output.path, output.predictions)
        for name, output in outputs_declared(step.tags).items()
        if output.predictions
    }
    return StepFacts(
        step.run_id,
        step.tags.get(KEY_TAG, ""),
        step.component,
        trees_in(step.tags),
        {name: text for name, text in step.parameters.items() if name not in step.inputs},
        inputs,
        taken,
        step.digests,
        step.metrics,
        metrics_in(step.tags),
        outcome.environment,
        outcome.platform,
        interfaces.get(outcome.uses, {}),
        predictions,
    )
