"""A repository with a pipeline, as a product."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from waypost.contracts import pipeline as pipeline_file
from waypost.contracts.lock import FILE as LOCK_FILE
from waypost.contracts.lock import Lock, parse_lock
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import PARAMETERS_FILE
from waypost.errors import UsageError, WaypostError
from waypost.interfaces.interface import Change
from waypost.interfaces.pipeline_interface import Pinned, PipelineFacts, facts_changes, leaves
from waypost.interfaces.record import Record, ReleasedPin
from waypost.interfaces.semver import pipeline_changes, together
from waypost.release.product import Product
from waypost.release.step_outputs import step_outputs
from waypost.sources import git
from waypost.sources.files import read_parameters, read_pipeline, read_text
from waypost.texts.canonical_yaml import flat
from waypost.texts.sealed import Variables


@dataclass(frozen=True)
class PipelineRepository(Product):
    """A repository with a pipeline in the folder `pipeline`."""

    pipeline: str

    kind = "pipeline"

    @property
    def place(self) -> Path:
        """The folder of the pipeline."""
        return self.folder / self.pipeline

    @property
    def name(self) -> str:
        return read_pipeline(self.place).name

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of the pipeline's parameters."""
        variables = Variables(frozenset(read_pipeline(self.place).variables))
        return tuple(sorted(flat(merged(read_parameters(self.place), (), variables).plain())))

    @cached_property
    def lock(self) -> Lock | None:
        """The pipeline's lock, where it has one."""
        file = self.place / LOCK_FILE
        return parse_lock(read_text(file), "waypost lock") if file.is_file() else None

    def changes_since(
        self, base: Record, signature: Mapping[str, Any] | None = None
    ) -> Mapping[str, tuple[Change, ...]]:
        """Returns the changes for users since a release.

        Args: `signature` is the current model's, if a run has made one.
        """
        before = self.run_record(base.version)
        known = before.signature if before else {}
        names = pipeline_changes(base, self.parameters, known, signature or {})
        return together(names, facts_changes(self._facts_of(base), self._facts))

    @property
    def _facts(self) -> PipelineFacts:
        file = self.place / LOCK_FILE
        lock = read_text(file) if file.is_file() else ""
        parameters = dict(read_parameters(self.place)).get(PARAMETERS_FILE, "")
        return self._facts_in(read_text(self.place / pipeline_file.FILE), parameters, lock, self._text_here)

    def _facts_of(self, base: Record) -> PipelineFacts:
        """Returns the facts of a release from its tree if available, else from its record."""
        facts = PipelineFacts(pins={uses: Pinned(pin.version) for uses, pin in base.pins.items()})
        commit = base.commit or git.object_at(self.top, f"refs/tags/{self.tag(base.version)}^{{commit}}")
        if commit is None:
            return facts
        at = Path("." if base.commit else self.prefix) / base.pipeline
        names = (pipeline_file.FILE, PARAMETERS_FILE, LOCK_FILE)
        pipeline, parameters, lock = (self._text_at(commit, (at / name).as_posix()) for name in names)
        # Files that an older engine accepted may not parse today: then the record has to suffice.
        with contextlib.suppress(WaypostError, ValueError):
            if pipeline:
                return self._facts_in(
                    pipeline,
                    parameters,
                    lock,
                    lambda path: self._text_at(commit, posixpath.normpath(at / path)),
                )
        return facts

    def _facts_in(
        self, pipeline: str, parameters: str, lock: str, text_of: Callable[[str], str]
    ) -> PipelineFacts:
        """Returns the facts that users of a pipeline rely on, from the texts of its files."""
        file = pipeline_file.parse_pipeline(pipeline)
        files = [(PARAMETERS_FILE, parameters)] if parameters else []
        values = merged(files, (), Variables(frozenset(file.variables))).plain()
        pins = parse_lock(lock, "waypost lock").components if lock else {}
        return PipelineFacts(
            steps=file.steps,
            defaults=leaves(values),
            pins={uses: Pinned(str(pin), pin.interface) for uses, pin in pins.items()},
            outputs=step_outputs(self.place, file, pins, text_of),
        )

    def _text_here(self, path: str) -> str:
        file = self.place / path
        return read_text(file) if file.is_file() else ""

    def _text_at(self, commit: str, path: str) -> str:
        return git.text_at(self.top, commit, path) or ""

    def content(self, _trees: Mapping[str, str], /) -> dict[str, Any]:
        pins = self.lock.components if self.lock else {}
        return {
            "pipeline": self.pipeline,
            "lock": self.lock.digest if self.lock else "",
            "pins": {u: ReleasedPin(version=str(p), commit=p.commit, tree=p.tree) for u, p in pins.items()},
            "parameters": self.parameters,
        }


def pipeline_of(product: Product) -> PipelineRepository:
    """Returns a product as a pipeline repository. Raises UsageError for other kinds."""
    if isinstance(product, PipelineRepository):
        return product
    raise UsageError(f"{product.folder}: no pipeline, so it has no runs")
