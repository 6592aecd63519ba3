"""A component's contract: the parameters, outputs, metrics and command of its MLproject."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    computed_field,
    field_serializer,
    field_validator,
    model_validator,
)

from waypost.contracts.metrics import Metric, MetricFacts, WrittenMetric
from waypost.contracts.names import FileNear, FolderName, PathInside, VersionText
from waypost.contracts.trees import Entry
from waypost.texts.parsing import Strict, load_mapping, parse
from waypost.texts.scalars import Schema, Written, core, text_of, unwritten

FILE = "MLproject"
MISSING = "component-missing"
OutputType = Literal["file", "table", "report", "figures", "mlflow-model", ""]
NUMBERS = ("int", "float")
TYPED = (*NUMBERS, "bool")
_DOCKER = "docker_env: Waypost runs no containers; stock MLflow does: mlflow run, without --backend waypost"
_ENVIRONMENTS = ("python_env", "conda_env", "docker_env")


class _Open(Strict):
    """Part of an MLproject. Like MLflow, it ignores unknown keys, but not misspelt ones of ours."""

    @model_validator(mode="before")
    @classmethod
    def _own_keys(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        known = [*cls.model_fields, *(f.alias for f in cls.model_fields.values() if f.alias)]
        return {
            key: value
            for key, value in content.items()
            if key in known or difflib.get_close_matches(str(key), known, 1)
        }


class Parameter(_Open):
    """One parameter; without a default it is required, as in MLflow. MLflow checks the types `path` and
    `uri`; `int`, `float` and `bool` are checked here, and any other is a text.

    For an address, `sha256` names the parameter with the digest of its content; for a YAML file, `schema` is
    the file with its JSON Schema; for another step's output, `takes` is its type, and `metadata` the keys
    read from a model's metadata, each with the parameter that can replace it, or none.
    """

    type: str = "string"
    format: Literal["uri", ""] = ""
    sha256: str = Field(default="", exclude_if=lambda value: not value)
    schema_: FileNear | None = Field(default=None, alias="schema", exclude_if=lambda value: value is None)
    takes: OutputType = Field(default="", exclude_if=lambda value: not value)
    metadata: dict[str, str] = Field(default={}, exclude_if=lambda value: not value)
    description: str = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @field_validator("type", mode="before")
    @classmethod
    def _any_type(cls, value: Any) -> str:
        return "string" if value is None else str(value)

    @property
    def wanted(self) -> str:
        """The accepted values, for a message."""
        ranges = [("minimum", self.minimum), ("maximum", self.maximum)]
        limits = [f"{name} {limit:g}" for name, limit in ranges if limit is not None]
        choices = [f"one of {', '.join(map(str, self.choices))}"] if self.choices else []
        return ", ".join([f"type {self.type}", *choices, *limits])

    @property
    def is_required(self) -> bool:
        return self.default is None


class Output(Strict):
    """One artifact that the run logs; `path` is relative to the run's artifacts. Without a type it may be
    anything; for a model, `metadata` are the keys of its metadata; for a table of predictions, with a row for
    each row of the table that the model was given, `predictions` is the column with the answers.
    """

    path: PathInside
    type: OutputType = Field(default="", exclude_if=lambda value: not value)
    metadata: tuple[str, ...] = Field(default=(), exclude_if=lambda value: not value)
    predictions: str = Field(default="", exclude_if=lambda value: not value)
    description: str = ""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Output:
        if self.metadata and self.type != "mlflow-model":
            raise ValueError("only a model has metadata: type: mlflow-model")
        if self.predictions and self.type != "table":
            raise ValueError("only a table has predictions: type: table")
        return self


class EntryPoint(_Open):
    """One command. The first of `metrics` is shown while the pipeline runs; `variables` are the environment
    variables that decide the result; `example` has values to try it with.
    """

    description: str = ""
    parameters: dict[PathInside, Parameter] = {}
    outputs: dict[PathInside, Output] = {}
    metrics: dict[str, WrittenMetric] = {}
    variables: tuple[str, ...] = ()
    example: dict[str, Any] = Field(default={}, exclude_if=lambda value: not value)
    command: str

    def digest_parameter(self, name: str) -> str:
        """Returns the parameter with the sha256 of another one's content, empty if there is none.

        Contracts of 1.0 do not declare it: there, the only address and the only digest belong together.
        """
        if declared := self.parameters[name].sha256:
            return declared
        digests = [n for n in self.parameters if n.endswith("sha256")]
        addresses = [n for n, p in self.parameters.items() if p.format == "uri"] or [
            n for n, p in self.parameters.items() if p.type == "path"
        ]
        is_said = any(p.sha256 for p in self.parameters.values())
        return digests[0] if not is_said and len(digests) == 1 and addresses == [name] else ""

    @field_validator("parameters", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        # MLflow also accepts `name: type`.
        if not isinstance(value, dict):
            return value
        return {k: {"type": v} if isinstance(v, str) else v for k, v in value.items()}

    @field_serializer("metrics")
    def _descriptions(self, metrics: dict[str, Metric]) -> dict[str, str]:
        # Readers of 1.0 expect a text; the other declarations are in `metric_facts`.
        return {name: metric.description for name, metric in metrics.items()}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def metric_facts(self) -> dict[str, MetricFacts]:
        """Declarations of each metric besides its description."""
        return {name: metric.facts for name, metric in self.metrics.items()}


class Project(BaseModel):
    """An MLproject without its entry points: MLflow accepts more forms of those than a pipeline. Unknown keys
    belong to MLflow or to others; the name is for people.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, BeforeValidator(lambda name: "" if name is None else str(name))] = ""
    python_env: FileNear | None = None
    conda_env: FileNear | None = None
    shared: tuple[FolderName, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_environment(cls, content: Any) -> Any:
        named = [key for key in _ENVIRONMENTS if isinstance(content, dict) and content.get(key)]
        if "docker_env" in named:
            raise ValueError(_DOCKER)
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)}: MLflow accepts one of them")
        return content


class Deprecated(Strict):
    """A component that should not be used any more: `since` which library version, what to `use` instead."""

    since: VersionText = ""
    use: str = ""

    def __str__(self) -> str:
        since = f" since {self.since}" if self.since else ""
        return f"deprecated{since}{self.use and f': use {self.use} instead'}"


class Component(Project):
    """An MLproject with entry points that are steps of pipelines."""

    entry_points: dict[str, EntryPoint] = Field(default_factory=dict)
    deprecated: Deprecated | None = Field(default=None, exclude_if=lambda value: value is None)

    @field_validator("deprecated", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return (Deprecated() if value else None) if isinstance(value, bool) else value

    @property
    def schema_files(self) -> tuple[str, ...]:
        """Files with the JSON Schemas of its parameters."""
        parameters = (p for entry in self.entry_points.values() for p in entry.parameters.values())
        return tuple(dict.fromkeys(p.schema_ for p in parameters if p.schema_))


def parse_component(text: str, file: str, schema: Schema = core) -> Component:
    """Returns the component of an MLproject text. Raises FindingsError.

    Args: with YAML 1.1 as `schema`, defaults are read as Waypost 1.0.0 read them.
    """
    return component_of(contract_content(text, file, schema), file)


def contract_content(text: str, file: str, schema: Schema = core) -> dict[str, Any]:
    """Returns the values in an MLproject text from which a component is made. Raises FindingsError."""
    return _typed_defaults(load_mapping(text, file, schema=schema, as_written=schema is core))


def component_of(content: dict[str, Any], file: str) -> Component:
    """Returns the component for such values. Raises FindingsError."""
    return parse(Component, content, file)


def _typed_defaults(content: dict[str, Any]) -> dict[str, Any]:
    """Returns a contract's content with defaults and choices of texts as written."""
    typed: dict[str, Any] = unwritten(content)
    if isinstance(typed.get("deprecated"), dict) and "since" in typed["deprecated"]:
        typed["deprecated"] = {**typed["deprecated"], "since": text_of(content["deprecated"]["since"])}
    for name, entry in _mappings(typed.get("entry_points")):
        for key, parameter in _mappings(entry.get("parameters")):
            if parameter.get("type", "string") in TYPED:
                continue
            written = content["entry_points"][name]["parameters"][key]
            changed = {"default": _as_text(written["default"])} if "default" in written else {}
            if isinstance(written.get("choices"), list):
                changed["choices"] = [_as_text(choice) for choice in written["choices"]]
            entry["parameters"][key] = {**parameter, **changed}
    return typed


def _mappings(content: Any) -> list[tuple[Any, dict[Any, Any]]]:
    """Returns the entries of a mapping that are mappings themselves."""
    return [(k, v) for k, v in content.items() if isinstance(v, dict)] if isinstance(content, dict) else []


def _as_text(found: Any) -> Any:
    return found.text if isinstance(found, Written) else found


def contract_among(files: Iterable[str]) -> str | None:
    """Returns the name of the MLproject among files, None without one; MLflow takes it in any case."""
    found = sorted(name for name in files if name.lower() == FILE.lower())
    return FILE if FILE in found else next(iter(found), None)


def contract_in(entries: Mapping[str, Entry]) -> str | None:
    """Returns the same for a folder in git, by the entries of its tree."""
    return contract_among(name for name, entry in entries.items() if entry.kind == "blob")


def parse_project(text: str, file: str) -> Project:
    """Returns an MLproject without its entry points. Raises FindingsError."""
    return parse(Project, load_mapping(text, file), file)
