"""The inputs of a step: as part of its key, as recorded in MLflow, and on its command line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waypost.contracts.argument_values import argument_text
from waypost.contracts.keys import FinishedStep
from waypost.contracts.plan import Argument, Inline, Location, PlannedStep, Reference
from waypost.contracts.urls import scheme_of
from waypost.errors import RemoteError, UsageError, WaypostError, redacted
from waypost.runs.prepare import Prepared, is_wandb, local_path
from waypost.sources import web
from waypost.sources.files import content_digest
from waypost.sources.memo import Memo
from waypost.texts.canonical_yaml import canonical_yaml
from waypost.texts.masks import Masks
from waypost.texts.sealed import Sealed, opened
from waypost.tracking.runs import Runs

# Runs and versions do not change; an alias of a model or an artifact may move.
_NEVER_CHANGES = re.compile(r"runs:/.+|models:/[^@]+/\d+(/.*)?|models:/m-\w+|wandb://[^:]+:v\d+(/.*)?")


@dataclass
class Inputs:
    """Turns arguments into texts; `finished` holds the steps that references may name, and grows as steps
    end. `bundled` are the files that stand for URLs. If `offline`, no server is asked: its last answer
    counts.
    """

    prepared: Prepared
    memo: Memo
    finished: dict[str, FinishedStep]
    bundled: Mapping[str, Path] = field(default_factory=dict)
    offline: bool = False
    _asked: dict[str, str] = field(default_factory=dict)

    def identity(self, step: PlannedStep, name: str) -> str | None:
        """Returns what a step's argument means for the result: a content digest where possible.

        None if unknown: behind a URL whose content can change, without a sha256, and without a validator from
        the server.
        """
        argument = step.arguments[name]
        if isinstance(argument, Reference):
            return f"sha256:{self.finished[argument.step].digests[argument.output]}"
        if isinstance(argument, Location):
            if path := self._local(argument):
                # The memo would store the path, which is secret.
                is_sealed = isinstance(argument.text, Sealed)
                return f"sha256:{content_digest(path) if is_sealed else self.memo.digest(path)}"
            if _pinned(step, name) or not argument.text or _NEVER_CHANGES.fullmatch(argument.text):
                return str(argument)
            return self._remote(argument.text)
        return str(argument)

    def digests(self, step: PlannedStep) -> dict[str, str]:
        """Returns the digests of a step's files and addresses, empty if unknown."""
        return {
            name: f"sha256:{digest}" if (digest := _pinned(step, name)) else self.identity(step, name) or ""
            for name, argument in step.arguments.items()
            if isinstance(argument, (Reference, Location)) and str(argument)
        }

    @property
    def asked_servers(self) -> bool:
        """Whether the content behind a changeable URL mattered."""
        return bool(self._asked)

    def local(self, step: PlannedStep) -> dict[str, Path]:
        """Returns a step's input files and folders on this machine, by parameter; without those that have a
        variable in their path, which is secret.
        """
        named = {n: a for n, a in step.arguments.items() if isinstance(a, Location)}
        found = {n: self._file_of(a) for n, a in named.items() if not isinstance(a.text, Sealed)}
        return {name: path for name, path in found.items() if path is not None}

    def _file_of(self, location: Location) -> Path | None:
        return self._local(location) or self.bundled.get(location.text)

    def content_behind(self, location: Location) -> str:
        """Returns the server's validator for the content behind an address, empty if it was not asked."""
        return self._asked.get(location.text, "")

    def _local(self, location: Location) -> Path | None:
        return local_path(location, self.prepared.folder, self.prepared.variables)

    def _remote(self, url: str) -> str | None:
        address = opened(url, self.prepared.variables)
        if scheme_of(address) not in ("http", "https", "wandb"):
            return None
        if url not in self._asked:
            ask = _wandb_content if is_wandb(address) else web.validator
            asked = None if self.offline else lambda: ask(address)
            with self._masking():
                self._asked[url] = self.memo.last("validator", redacted(url), asked) or ""
        return f"{url} ({self._asked[url]})" if self._asked[url] else None

    def recorded(self, argument: Argument) -> str:
        """Returns the argument for MLflow: stock `mlflow run` understands it, except environment variables,
        which appear by name.
        """
        if isinstance(argument, Reference):
            return f"runs:/{self.finished[argument.step].run_id}/{self.artifact(argument)}"
        return str(argument)

    def inline(self, step: PlannedStep) -> dict[str, str]:
        """Returns the texts that become files for a step, by parameter."""
        return {name: a.text for name, a in step.arguments.items() if isinstance(a, Inline)}

    def value(self, step: PlannedStep, name: str, argument: Argument, runs: Runs, temp: Path) -> str:
        """Returns the text for the command line: files as local paths, variables by value.

        Generated files go to `temp`. Raises WaypostError if an earlier output is gone, or has changed.
        """
        if isinstance(argument, Reference):
            return str(self._output(name, argument, runs))
        if isinstance(argument, Inline):
            return str(self._file(temp / f"{name}.yaml", argument))
        if isinstance(argument, Location):
            return self._place(argument)
        if isinstance(argument, Sealed):
            return argument_text(step.entry_point.parameters[name], opened(argument, self.prepared.variables))
        return argument

    def _file(self, file: Path, inline: Inline) -> Path:
        content = inline.content
        text = inline.text
        if content is not None:
            text = canonical_yaml(opened(content, self.prepared.variables))
        file.parent.mkdir(parents=True, exist_ok=True)  # MLflow's names may contain a slash
        file.write_text(text, encoding="utf-8")
        return file

    def _place(self, location: Location) -> str:
        address = str(opened(location.text, self.prepared.variables))
        if is_wandb(address):
            from waypost.tracking.wandb_inputs import fetched

            with self._masking():
                return str(fetched(address, self.content_behind(location)))
        path = self._file_of(location)
        return str(path) if path else address

    @contextlib.contextmanager
    def _masking(self) -> Iterator[None]:
        """Masks the values of variables in errors about an address."""
        try:
            yield
        except (RemoteError, UsageError) as error:
            masks = Masks(self.prepared.variables)
            # The cause contains the address.
            raise type(error)(masks.text(str(error)), hint=masks.text(error.hint)) from None

    def _output(self, name: str, reference: Reference, runs: Runs) -> Path:
        step = self.finished[reference.step]
        known = step.paths.get(reference.output)
        found = Path(known) if known else runs.output(step.run_id, self.artifact(reference))
        if found is None or not found.exists():
            raise WaypostError(f"{name}: the output {reference} of run {step.run_id} is gone")
        if self.memo.digest(found) != step.digests[reference.output]:
            message = (
                f"{name}: the output {reference} of run {step.run_id} is not what that run wrote: {found}"
            )
            raise WaypostError(message, hint=f"compute it again: --force {reference.step}")
        return found

    def artifact(self, reference: Reference) -> str:
        """Returns an output's path among its run's artifacts."""
        outputs = self.prepared.plan.step(reference.step).entry_point.outputs
        return outputs[reference.output].path


def _wandb_content(uri: str) -> str:
    from waypost.tracking.wandb_inputs import content_of

    return content_of(uri)


def _pinned(step: PlannedStep, name: str) -> str:
    """Returns the sha256 that a step is given for one of its arguments, usually empty."""
    return str(step.arguments.get(step.entry_point.digest_parameter(name), ""))
