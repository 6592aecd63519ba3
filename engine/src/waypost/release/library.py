"""A component library, as a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from packaging.version import Version

from waypost.contracts.component import Component
from waypost.contracts.rules import refuses
from waypost.errors import Finding, FindingsError
from waypost.interfaces.interface import Change, interface_of
from waypost.interfaces.record import Record, ReleasedComponent
from waypost.interfaces.semver import library_changes
from waypost.release.conformance import check_library
from waypost.release.product import Product
from waypost.sources.files import components_in, read_component, requirements_digest


@dataclass(frozen=True)
class Library(Product):
    """A component library: its interface is that of its components."""

    kind = "components"

    @property
    def name(self) -> str:
        return "components"

    @cached_property
    def components(self) -> dict[str, Component]:
        """The contracts of the components, by name."""
        found: dict[str, Component] = {}
        findings: list[Finding] = []
        for name in components_in(self.folder):
            try:
                found[name] = read_component(self.folder, name, name)
            except FindingsError as error:
                findings += error.findings
        if findings:
            raise FindingsError(findings, consequence="")
        return found

    def changes_since(self, base: Record) -> Mapping[str, tuple[Change, ...]]:
        return library_changes(base, self.components)

    def findings(self, _version: Version, /) -> list[Finding]:
        return [finding for finding in self._conformance if refuses(finding.category)]

    def advice(self) -> list[Finding]:
        return [finding for finding in self._conformance if not refuses(finding.category)]

    @cached_property
    def _conformance(self) -> tuple[Finding, ...]:
        """The findings of `waypost check`."""
        return check_library(self.folder).findings

    def content(self, trees: Mapping[str, str], /) -> dict[str, Any]:
        released = {
            name: ReleasedComponent(
                tree=trees[name],
                shared=contract.shared,
                interface=interface_of(contract),
                environment=requirements_digest(self.folder / name, contract),
            )
            for name, contract in self.components.items()
        }
        return {"components": released}
