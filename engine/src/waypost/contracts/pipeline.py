"""A pipeline.yaml: which components, which steps, what goes from one to the next."""

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
# Names of steps become names of files.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=200)]


def component_name(uses: str) -> str:
    """Returns the component's name in SOURCE/COMPONENT[@REQUIREMENT]."""
    return uses.partition("/")[2].partition("@")[0]


class Source(Strict):
    """Where components come from.

    `git` is a repository, `version` what is asked of it, `folder` where in it the library lies; `path` a
    folder, relative to the pipeline's. With both, the folder serves where its content is what the lock says.
    `hold` names the components, or all of them (`true`), that `waypost update` leaves alone. A release is
    taken by itself once it is as old as `cooldown` says (`7d`), unless it says that it mends security.
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
        is_number = isinstance(value_of(value), (int, float))  # 1.10 is no number here
        return text_of(value) if is_number else value

    @model_validator(mode="after")
    def _some_place(self) -> Source:
        if self.git is None and self.path is None:
            raise ValueError("its location is missing: give `git` and `version`, or `path`")
        if self.git is not None and self.version is None:
            raise ValueError("`git` needs a `version`, such as ~=1.4")
        if self.git is None and (self.version is not None or self.folder or self.hold or self.cooldown):
            problem = "`version`, `folder`, `hold` and `cooldown` belong to `git`"
            raise ValueError(f"{problem}; a `path` alone is what it is")
        return self

    def holds(self, component: str) -> bool:
        return self.hold is True or component in self.hold


class Limits(Strict):
    """What a step may take: wall time, and memory of its own."""

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
            raise ValueError(f"resources.memory_mb, {asked}, is more than limits.memory_mb lets it take")
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
        """The version that this step asks for, empty if its source says it."""
        return self.uses.partition("@")[2]


class Pipeline(Strict):
    """The whole file; `tracking` says who hears of its runs besides MLflow, which holds the results, `report`
    whether each run makes a page for people.

    `variables` are those of the environment that parameters may name, as `${oc.env:NAME}`: the steps get
    their values, and nothing records them. `signers` is a file with the keys that sign the tags of its git
    sources (ALLOWED SIGNERS in the manual of ssh-keygen), or such a file for each source. `ignore` are
    findings of `waypost check` that its owner lives with: a reason for each `RULE` or `RULE@PLACE`.
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
            raise ValueError("mlflow belongs to it: steps hand over their results there")
        return value

    @model_validator(mode="after")
    def _signed_sources(self) -> Pipeline:
        for name in self.signers if isinstance(self.signers, dict) else ():
            if name not in self.components or self.components[name].git is None:
                raise ValueError(f"signers: {name} is no source with `git`")
        return self

    def signers_of(self, source: str) -> str:
        """Returns the file with the keys that sign a source's tags, empty if none is asked for."""
        return self.signers.get(source, "") if isinstance(self.signers, dict) else self.signers


def hold_findings(pipeline: Pipeline) -> list[Finding]:
    """Returns the names in `hold` that no step uses: nothing would be held for them."""
    found = []
    for name, source in pipeline.components.items():
        used = {step.component for step in pipeline.steps.values() if step.source == name}
        for component in source.hold if source.hold is not True else ():
            if component not in used:
                place, problem = f"{FILE}: components.{name}.hold", f"no step uses {name}/{component}"
                found.append(Finding(place, problem, did_you_mean(component, used), "hold"))
    return found


def parse_pipeline(text: str, file: str = FILE) -> Pipeline:
    """Returns the pipeline. Raises FindingsError that lists every wrong key."""
    return parse(Pipeline, _with_texts(load_mapping(text, file, as_written=True)), file)


def _with_texts(content: dict[str, Any]) -> dict[str, Any]:
    """Returns a pipeline's content, in which versions and the arguments of steps have their texts."""
    typed: dict[str, Any] = unwritten(content)
    for group, key in (("components", "version"), ("steps", "with")):
        if isinstance(typed.get(group), dict):
            for name, entry in typed[group].items():
                if isinstance(entry, dict) and key in entry:
                    typed[group][name] = {**entry, key: content[group][name][key]}
    return typed


def step_place(step: str, *keys: str) -> str:
    """Returns the place of a key of a step, as findings name it."""
    return ".".join([f"{FILE}: steps.{step}", *keys])
