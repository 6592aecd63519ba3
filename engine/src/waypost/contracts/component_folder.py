"""A component's folder as the rules of `waypost check` look at it: its contract, and what its files say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from waypost.contracts.component import Component
from waypost.contracts.python_code import Code
from waypost.contracts.python_env import PythonEnv
from waypost.errors import Finding

README = "README.md"


@dataclass(frozen=True)
class Source:
    """A component's folder: the paths of all its `files`, and the texts of those that rules look at.

    `beside` are the folders of the library; `imports` are what the code of each folder imports, by its name;
    `code` is what the Python files say of the component and of what it shares, tests left out, by their paths
    from the component's folder. `requirements` and `schemas` are the texts of such files that lie in folders
    which come along; `contracts` are those of the library's components, None if one cannot be read.
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

    def finding(self, rule: str, file: str, problem: str, hint: str = "") -> Finding:
        return Finding(f"{self.name}/{file}".rstrip("/"), problem, hint, rule)

    @property
    def together(self) -> tuple[str, ...]:
        """The folders that run side by side."""
        return (self.name, *self.component.shared)


Rule = Callable[[Source], Iterator[Finding]]
