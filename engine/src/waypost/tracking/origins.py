"""The origin of a model: runs of pipelines and of their steps, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from waypost.contracts.metrics import MetricFacts, metrics_in
from waypost.tracking.runs import named_in, outputs_in
from waypost.tracking.tags import INPUT_TAG

_INPUT = re.compile(r"runs:/(\w+)/(.+)")


@dataclass(frozen=True)
class StepRun:
    """A step of a pipeline run, or a standalone run. `inputs` are (run, path) by parameter."""

    name: str
    run_id: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]
    models: Mapping[str, str]

    @property
    def digests(self) -> dict[str, str]:
        """The digests of its outputs."""
        return outputs_in(self.tags)

    @property
    def component(self) -> str:
        """The component that computed it, with its version: `core/train 1.0.0`; empty for other runs."""
        found = (self.tags.get("waypost.component", ""), self.tags.get("waypost.component.version", ""))
        return " ".join(filter(None, found))

    @property
    def inputs(self) -> dict[str, tuple[str, str]]:
        found = {name: _INPUT.fullmatch(text) for name, text in self.parameters.items()}
        return {name: (hit[1], hit[2]) for name, hit in found.items() if hit}

    @property
    def input_digests(self) -> dict[str, str]:
        """The digests of its input files, by parameter; empty if unknown."""
        return named_in(self.tags, INPUT_TAG)


@dataclass(frozen=True)
class ModelOrigin:
    """The origin of a model: the pipeline run with its steps, and the step that made it."""

    run_id: str
    tags: Mapping[str, str]
    steps: Mapping[str, StepRun]
    step: str
    artifact: str
    model_id: str

    @property
    def maker(self) -> StepRun:
        return self.steps[self.step]

    def component_of(self, step: StepRun) -> str:
        """Returns the component of a step in the version that this run's lock asks for."""
        return self.tags.get(f"waypost.component.{step.name}", step.component)

    def metrics(self) -> dict[str, float]:
        """Returns the metrics of all steps as `step/metric`; of a standalone run as `metric`."""
        return {
            f"{step.name}/{name}" if step.name else name: value
            for step in self.steps.values()
            for name, value in step.metrics.items()
        }

    def facts(self) -> dict[str, MetricFacts]:
        """Returns the contracts' declarations of these metrics; those of steps that measured the model
        win.
        """
        judges = self.judges()
        steps = [*judges, *(step for step in self.steps.values() if step not in judges)]
        return {
            f"{step.name}/{name}" if step.name else name: facts
            for step in steps
            for name, facts in metrics_in(step.tags).items()
        }

    def judges(self) -> list[StepRun]:
        """Returns the steps that received the model; if there are none, the step that made it."""
        maker = self.maker.run_id
        given = [s for s in self.steps.values() if any(run_id == maker for run_id, _ in s.inputs.values())]
        return given or [self.maker]

    def step_of(self, metric: str) -> StepRun:
        """Returns the step that logged one of `metrics`."""
        return self.steps[""] if "" in self.steps else self.steps[metric.partition("/")[0]]


@dataclass(frozen=True)
class RecordedRun:
    """A pipeline run: the pipeline's name, the parameters, the runs of its steps."""

    run_id: str
    name: str
    parameters: Mapping[str, str]
    steps: tuple[StepRun, ...]
