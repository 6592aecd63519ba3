"""A pipeline.yaml: which components, which steps, what goes from one to the next."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from waypost.contracts.parsing import Strict, load_mapping, parse

FILE = "pipeline.yaml"
PARAMETERS_FILE = "params.yaml"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]


class Source(Strict):
    """Where components come from: `path` is a folder, relative to the pipeline's folder."""

    path: str


class Step(Strict):
    """One use of a component."""

    uses: str
    entry_point: str = "main"
    arguments: dict[str, Any] = Field(default={}, alias="with")
    after: tuple[str, ...] = ()

    @field_validator("arguments", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("uses")
    @classmethod
    def _alias_and_name(cls, value: str) -> str:
        if not re.fullmatch(r"[^/@\s]+/[^/@\s]+", value):
            raise ValueError(f"{value!r} is not of the form SOURCE/COMPONENT, such as core/download")
        return value

    @property
    def source(self) -> str:
        return self.uses.partition("/")[0]

    @property
    def component(self) -> str:
        return self.uses.partition("/")[2]


class Pipeline(Strict):
    """The whole file."""

    name: str
    description: str = ""
    components: dict[Name, Source]
    steps: dict[Name, Step] = Field(min_length=1)


def parse_pipeline(text: str, file: str = FILE) -> Pipeline:
    """Returns the pipeline. Raises FindingsError that lists every wrong key."""
    return parse(Pipeline, load_mapping(text, file), file)
