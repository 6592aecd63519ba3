"""What a step is given: as part of its key, as MLflow records it, as its command line gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waypost.contracts.plan import Argument, Inline, Location, Reference
from waypost.errors import WaypostError
from waypost.runs.prepare import Prepared, local_path
from waypost.sources.files import content_digest
from waypost.tracking.store import StepRun, Tracker


@dataclass(frozen=True)
class Inputs:
    """Turns arguments into texts; `finished` holds the steps that references may name, `bundled` the
    files that stand for URLs.
    """

    prepared: Prepared
    tracker: Tracker
    finished: Mapping[str, StepRun]
    bundled: Mapping[str, Path] = field(default_factory=dict)

    def identity(self, argument: Argument) -> str:
        """Returns what an argument means for the result: content where there is any."""
        if isinstance(argument, Reference):
            return f"sha256:{self.finished[argument.step].digests[argument.output]}"
        if isinstance(argument, Location):
            path = local_path(argument, self.prepared.folder)
            return f"sha256:{content_digest(path)}" if path else argument.text
        return str(argument)

    def recorded(self, argument: Argument) -> str:
        """Returns the argument for MLflow: stock `mlflow run` understands it as it stands."""
        if isinstance(argument, Reference):
            return f"runs:/{self.finished[argument.step].run_id}/{self._artifact(argument)}"
        return str(argument)

    def value(self, name: str, argument: Argument, run_id: str, temp: Path) -> str:
        """Returns the text for the command line: files as local paths.

        A file that has to be made for it goes to `temp`. Raises WaypostError where an earlier
        output is gone.
        """
        if isinstance(argument, Reference):
            run = self.finished[argument.step].run_id
            found = self.tracker.output(run, self._artifact(argument))
            if found is None:
                raise WaypostError(f"{name}: the output {argument} of run {run} is no longer there")
            return str(found)
        if isinstance(argument, Inline):
            file = temp / f"{name}.yaml"
            file.write_text(argument.text, encoding="utf-8")
            self.tracker.log_text(run_id, argument.text, f"parameters/{name}.yaml")
            return str(file)
        if isinstance(argument, Location):
            path = local_path(argument, self.prepared.folder) or self.bundled.get(argument.text)
            return str(path) if path else argument.text
        return argument

    def _artifact(self, reference: Reference) -> str:
        outputs = self.prepared.plan.step(reference.step).entry_point.outputs
        return outputs[reference.output].path
