"""A pipeline.yaml: its components, its steps, and what passes from one to the next."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from waypost.contracts.cooldown import seconds_of
from waypost.contracts.names import PathInside, Uses
from waypost.contracts.resources import Resources
from waypost.contracts.urls import url_problem
from waypost.errors import Finding, did_you_mean, redacted
from waypost.texts.parsing import Strict, load_mapping, parse
from waypost.texts.scalars import text_of, unwritten, value_of

FILE = "pipeline.yaml"
PARAMETERS_FILE = "params.yaml"
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]
# Step names become file names.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=200)]


def component_name(uses: str) -> str:
    """Returns the component's name in SOURCE/COMPONENT[@REQUIREMENT]."""
    return uses.partition("/")[2].partition("@")[0]


class Source(Strict):
    """Where components come from.

    `git` is a repository, `version` the requirement on it, `folder` the library's folder in it; `path` a
    folder, relative to the pipeline's. With both, the folder is used if its content matches the lock. `hold`
    names the components, or all of them (`true`), that `waypost update` leaves alone. A release is adopted
    automatically once it is as old as `cooldown` (`7d`), or at once if it fixes a security problem.
    """

    git: str | None = None
    version: str | None = None
    folder: PathInside | None = Field(default=None, exclude_if=lambda value: value is None)
    path: str | None = None
    hold: tuple[str, ...] | Literal[True] = ()
    cooldown: str = Field(default="", exclude_if=lambda value: not value)

    @field_validator("cooldown")
    @classmethod
    def _span(cls, value: str) -> str:
        if value:
            seconds_of(value)
        return value

    @field_validator("git")
    @classmethod
    def _git_url(cls, value: str | None) -> str | None:
        if value is not None and (problem := url_problem(value)):
            raise ValueError(redacted(problem))
        return value

    @field_validator("folder")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @field_validator("version", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        is_number = isinstance(value_of(value), (int, float))  # 1.10 is not a number here
        return text_of(value) if is_number else value

    @model_validator(mode="after")
    def _some_place(self) -> Source:
        if self.git is None and self.path is None:
            raise ValueError("its location is missing: set `git` and `version`, or `path`")
        if self.git is not None and self.version is None:
            raise ValueError("`git` needs a `version`, such as ~=1.4")
        if self.git is None and (self.version is not None or self.folder or self.hold or self.cooldown):
            problem = "`version`, `folder`, `hold` and `cooldown` need `git`"
            raise ValueError(f"{problem}; a `path` alone has no versions")
        return self

    def holds(self, component: str) -> bool:
        return self.hold is True or component in self.hold


class Limits(Strict):
    """Limits of a step: wall time, and its own memory."""

    minutes: float | None = Field(default=None, gt=0)
    memory_mb: int | None = Field(default=None, gt=0)


class Step(Strict):
    """One use of a component; with `cache: false` it runs every time."""

    uses: Uses
    entry_point: str = "main"
    arguments: dict[str, Any] = Field(default={}, alias="with")
    after: tuple[str, ...] = ()
    cache: bool = True
    limits: Limits = Limits()
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _within_limits(self) -> Step:
        asked, limit = self.resources.memory_mb, self.limits.memory_mb
        if asked and limit and asked > limit:
            raise ValueError(f"resources.memory_mb, {asked}, is more than limits.memory_mb allows")
        return self

    @field_validator("arguments", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def source(self) -> str:
        return self.uses.partition("/")[0]

    @property
    def component(self) -> str:
        return component_name(self.uses)

    @property
    def requirement(self) -> str:
        """The version that this step asks for, empty if its source sets it."""
        return self.uses.partition("@")[2]


class Pipeline(Strict):
    """The whole file; `tracking` says where its runs are recorded besides MLflow, which holds the results,
    `report` whether each run gets a report.

    `variables` are environment variables that parameters may name, as `${oc.env:NAME}`: steps get their
    values, and nothing records them. `signers` is a file with the keys that sign the tags of its git sources
    (ALLOWED SIGNERS in the manual of ssh-keygen), or one such file per source. `ignore` are accepted findings
    of `waypost check`: a reason for each `RULE` or `RULE@PLACE`.
    """

    name: str
    description: str = ""
    tracking: tuple[Literal["mlflow", "wandb"], ...] = ("mlflow",)
    report: bool = True
    variables: tuple[VariableName, ...] = ()
    signers: PathInside | dict[Name, PathInside] = {}
    ignore: dict[str, str] = Field(default={}, exclude_if=lambda value: not value)
    components: dict[Name, Source]
    steps: dict[Name, Step] = Field(min_length=1)

    @field_validator("tracking")
    @classmethod
    def _with_mlflow(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "mlflow" not in value:
            raise ValueError("it must include mlflow: steps pass on their results there")
        return value

    @model_validator(mode="after")
    def _signed_sources(self) -> Pipeline:
        for name in self.signers if isinstance(self.signers, dict) else ():
            if name not in self.components or self.components[name].git is None:
                raise ValueError(f"signers: {name} is not a source with `git`")
        return self

    def signers_of(self, source: str) -> str:
        """Returns the file with the keys that sign a source's tags, empty if none is required."""
        return self.signers.get(source, "") if isinstance(self.signers, dict) else self.signers


def hold_findings(pipeline: Pipeline) -> list[Finding]:
    """Returns the names in `hold` that no step uses: they hold nothing."""
    found = []
    for name, source in pipeline.components.items():
        used = {step.component for step in pipeline.steps.values() if step.source == name}
        for component in source.hold if source.hold is not True else ():
            if component not in used:
                place, problem = f"{FILE}: components.{name}.hold", f"no step uses {name}/{component}"
                found.append(Finding(place, problem, did_you_mean(component, used), "hold"))
    return found


def parse_pipeline(text: str, file: str = FILE) -> Pipeline:
    """Returns the pipeline. Raises FindingsError with every wrong key."""
    return parse(Pipeline, _with_texts(load_mapping(text, file, as_written=True)), file)


def _with_texts(content: dict[str, Any]) -> dict[str, Any]:
    """Returns a pipeline's content with versions and step arguments as written."""
    typed: dict[str, Any] = unwritten(content)
    for group, key in (("components", "version"), ("steps", "with")):
        if isinstance(typed.get(group), dict):
            for name, entry in typed[group].items():
                if isinstance(entry, dict) and key in entry:
                    typed[group][name] = {**entry, key: content[group][name][key]}
    return typed


def step_place(step: str, *keys: str) -> str:
    """Returns the place of a step's key, as findings name it."""
    return ".".join([f"{FILE}: steps.{step}", *keys])
