"""What a pipeline run sends to W&B: configuration, and the names of inputs and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from waypost.contracts.keys import FinishedStep
from waypost.contracts.plan import Location, PlannedStep, Reference
from waypost.errors import redacted
from waypost.runs.prepare import Prepared, is_wandb, local_path
from waypost.texts.sealed import variables_in
from waypost.tracking.wandb_mirror import RunMirror


class Mirrored:
    """The events of one pipeline run; `parent` is its MLflow run, `tags` are that run's tags."""

    def __init__(
        self, mirror: RunMirror, prepared: Prepared, parent: str, tags: Mapping[str, str], tracking_uri: str
    ) -> None:
        self._mirror = mirror
        self._prepared = prepared
        self._parent = parent
        self._alias = prepared.release.get("waypost.release", "")
        config = {key.removeprefix("waypost."): value for key, value in tags.items()}
        engine = config.pop("version")
        self._about = {
            "pipeline": {"name": prepared.pipeline.name, "run_id": parent, **config},
            "mlflow": {"tracking_uri": redacted(tracking_uri)},
            "waypost": engine,
        }

    def opened(self) -> None:
        """The pipeline's run is open."""
        steps = self._prepared.plan.steps
        config = {
            **self._about,
            "parameters": json.loads(redacted(json.dumps(self._prepared.parameters, default=str))),
            "components": {step.name: self._component(step) for step in steps},
        }
        tags = [f"release {self._alias}"] if self._alias else []
        if self._prepared.dev:
            tags.append("dev")
        name = self._prepared.pipeline.name
        self._mirror.send(
            "opened", run_id=self._parent, name=name, config=config, tags=tags, alias=self._alias
        )

    def step_started(
        self, step: PlannedStep, run_id: str, key: str, recorded: Mapping[str, str], values: Mapping[str, str]
    ) -> None:
        """A step's process runs: `recorded` are its arguments as recorded, `values` those it gets, if it runs
        here.
        """
        config = {
            **self._about,
            "parameters": {name: redacted(text) for name, text in recorded.items()},
            "component": {**self._component(step), "step_key": key},
        }
        used = []
        for name, argument in step.arguments.items():
            if name not in values:
                continue  # known only on another machine
            if isinstance(argument, Reference):
                used.append(
                    {"artifact": f"{argument.step}-{argument.output}", "path": values[name], "uri": ""}
                )
            elif not isinstance(argument, Location) or variables_in(argument.text):
                continue  # not a file, or one with a secret path
            elif is_wandb(argument.text):
                used.append({"artifact": "", "path": "", "uri": argument.text})
            elif local_path(argument, self._prepared.folder, {}):
                used.append({"artifact": f"{step.name}-{name}-input", "path": values[name], "uri": ""})
        self._mirror.send(
            "step_started", parent=self._parent, run_id=run_id, name=step.name, config=config, used=used
        )

    def step_ended(
        self, step: PlannedStep, run_id: str, state: str, found: FinishedStep | None = None
    ) -> None:
        """A step's process has ended; `found` is its result."""
        self._mirror.send("step_ended", run_id=run_id, state=state, outputs=_outputs(step, found))

    def step_reused(self, step: PlannedStep, found: FinishedStep) -> None:
        """A finished step's result was reused."""
        self._mirror.send("step_reused", parent=self._parent, outputs=_outputs(step, found))

    def ended(self, status: str, metrics: Mapping[str, float]) -> None:
        """The pipeline's run has its status; `metrics` are those that its steps declare, as STEP/NAME."""
        self._mirror.send("ended", run_id=self._parent, status=status, metrics=dict(metrics))

    def _component(self, step: PlannedStep) -> dict[str, Any]:
        checkout = self._prepared.checkout(step)
        pin = checkout.pin
        version = {"version": str(pin), "commit": pin.commit} if pin else {}
        return {"uses": step.uses, **version, "trees": dict(checkout.trees)}


def _outputs(step: PlannedStep, found: FinishedStep | None) -> list[dict[str, str]]:
    if found is None:
        return []
    return [
        {
            "artifact": f"{step.name}-{name}",
            "path": path,
            "digest": found.digests[name],
            "mlflow_run_id": found.run_id,
        }
        for name, path in found.paths.items()
    ]
