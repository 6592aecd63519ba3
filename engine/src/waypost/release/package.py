"""A Python package, as a product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from packaging.version import Version

from waypost.contracts import project as project_file
from waypost.contracts.project import Project, project_findings
from waypost.errors import Finding, WaypostError
from waypost.interfaces.interface import Change
from waypost.interfaces.package import PackageInterface, package_changes
from waypost.interfaces.record import Record
from waypost.release.bumpversion import SETTINGS
from waypost.release.package_interface import read_interface, silent_commands, stated_versions
from waypost.release.product import Product


@dataclass(frozen=True)
class Package(Product):
    """A Python package: its interface is its commands, documents, entry points and public names."""

    project: Project

    kind = "package"

    @property
    def name(self) -> str:
        return self.project.name

    @property
    def label(self) -> str:
        return self.project.name

    @cached_property
    def interface(self) -> PackageInterface:
        """The package's public interface, read from its source."""
        return read_interface(self.folder, self.project)

    def changes_since(self, base: Record) -> Mapping[str, tuple[Change, ...]]:
        if base.interface is None:
            raise WaypostError(f"releases/{base.version}.json has no interface to compare with")
        return package_changes(base.interface, self.interface)

    def findings(self, version: Version, /) -> list[Finding]:
        there = {path.name for path in self.folder.iterdir() if path.is_file()}
        found = list(project_findings(self.project, str(version), there))
        for file, stated in stated_versions(self.folder, self.project).items():
            if stated != str(version):
                hint = f"bump2version keeps them equal: [bumpversion:file:{file}] in {SETTINGS}"
                found.append(Finding(file, f"it says version {stated}, {SETTINGS} {version}", hint))
        if self.is_guest:
            problem = "a package below the top of its repository needs tags of its own"
            hint = f"tag_name = {self.name}-v{{new_version}}, below [bumpversion]"
            found.append(Finding(f"{self.prefix}/{SETTINGS}", problem, hint))
        return found

    def remarks(self) -> list[str]:
        hint = f"name its command: [tool.waypost.interface] commands, in {project_file.FILE}"
        names = silent_commands(self.project, self.interface)
        silent = [
            f"{name} starts no click command, so its options are not compared; {hint}" for name in names
        ]
        return super().remarks() + silent

    def content(self, _trees: Mapping[str, str], /) -> dict[str, Any]:
        return {"interface": self.interface}
