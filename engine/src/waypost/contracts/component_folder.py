"""A component's folder as seen by the rules of `waypost check`: its contract and its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from waypost.contracts.component import Component, contract_in
from waypost.contracts.pipeline import FILE as PIPELINE
from waypost.contracts.python_code import Code
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.trees import Entry
from waypost.errors import Finding

README = "README.md"


@dataclass(frozen=True)
class ComponentFolder:
    """A component's folder: the paths of all its `files`, and the texts that rules read.

    `beside` are the folders of the library; `imports` are the imports of each folder's code, by folder;
    `code` describes the Python files of the component and its shared folders, without tests, by path from the
    component's folder. `requirements` and `schemas` are the texts of such files in the component's own and
    shared folders; `contracts` are those of the library's components, None if one cannot be read; `refused`
    says of files in these folders why no lock takes them, by path in the library.
    """

    name: str
    component: Component
    files: frozenset[str]
    readme: str = ""
    python_env: PythonEnv | None = None
    requirements: Mapping[str, str] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    imports: Mapping[str, frozenset[str]] = field(default_factory=dict)
    schemas: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, Code] = field(default_factory=dict)
    contracts: Mapping[str, Component | None] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def finding(self, rule: str, file: str, problem: str, hint: str = "") -> Finding:
        return Finding(f"{self.name}/{file}".rstrip("/"), problem, hint, rule)

    @property
    def together(self) -> tuple[str, ...]:
        """The component's own and shared folders, which are delivered together."""
        return (self.name, *self.component.shared)


def is_component(top: Mapping[str, Entry]) -> bool:
    """Tells whether a folder with these entries in git has a contract, and is no pipeline."""
    return contract_in(top) is not None and PIPELINE not in top


Rule = Callable[[ComponentFolder], Iterator[Finding]]
