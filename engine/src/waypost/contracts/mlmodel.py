"""An MLflow model's `MLmodel` file, read without MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from waypost.errors import Finding, FindingsError
from waypost.texts.json_text import read_json
from waypost.texts.limits import GENERATED, Limits
from waypost.texts.parsing import load_mapping

FILE = "MLmodel"
_WIDE = Limits(characters=GENERATED.characters)  # a wide model's signature is one long text

# Keys of flavours that name a file or folder in the model's folder.
_PATHS = ("pickled_model", "model_path", "python_model", "data", "code")

Kind = Literal["number", "integer", "boolean", "text", "other"]
"""The kind of a column; "other" is anything but numbers and texts: times, bytes, lists, objects."""

_KINDS: dict[str, Kind] = {
    "double": "number",
    "float": "number",
    "long": "integer",
    "integer": "integer",
    "boolean": "boolean",
    "string": "text",
}


class _Loose(BaseModel):
    """MLflow adds keys freely: unknown ones do not matter here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Column(_Loose):
    """A column of a signature; one that is not required may be missing in the table, or in a row."""

    name: str
    type: str
    required: bool = True

    @property
    def kind(self) -> Kind:
        return _KINDS.get(self.type, "other")


class Sklearn(_Loose):
    """The scikit-learn flavour."""

    pickled_model: str = "model.pkl"
    serialization_format: str = "cloudpickle"
    sklearn_version: str = ""
    code: str | None = None


class Pyfunc(_Loose):
    """How MLflow loads and calls a model of any flavour."""

    loader_module: str = "mlflow.sklearn"
    predict_fn: str = "predict"
    model_path: str = ""
    python_version: str = ""
    code: str | None = None
    env: str | dict[str, str] | None = None

    @property
    def environment_files(self) -> tuple[str, str]:
        """Files with the model's requirements: for Python alone, and for conda."""
        named = self.env if isinstance(self.env, dict) else {"conda": self.env or "conda.yaml"}
        return named.get("virtualenv", "python_env.yaml"), named.get("conda", "conda.yaml")


class _Signature(_Loose):
    inputs: str | None = None
    outputs: str | None = None
    params: str | None = None


class MLmodel(_Loose):
    """An MLflow model. `flavors` are as MLflow writes them."""

    flavors: dict[str, dict[str, Any]]
    signature: _Signature | None = None
    metadata: dict[str, Any] | None = None
    run_id: str | None = None
    model_id: str | None = None
    mlflow_version: str = ""

    @model_validator(mode="after")
    def _reads(self) -> MLmodel:
        """Parses nested texts and flavours immediately, so that no error appears later."""
        _ = self.inputs, self.outputs, self.params, self.sklearn, self.pyfunc
        if not self.flavors:
            raise ValueError("it has no flavors")
        if outside := sorted(_outside(self.flavors)):
            raise ValueError(f"{outside[0]}: this path leaves the model's folder")
        return self

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns of the model's input, in order; none if the signature has no columns."""
        return _columns(self.signature.inputs if self.signature else None)

    @cached_property
    def outputs(self) -> tuple[Column, ...]:
        return _columns(self.signature.outputs if self.signature else None)

    @cached_property
    def params(self) -> tuple[str, ...]:
        """Names of the parameters that a request may set."""
        entries = _listed(self.signature.params if self.signature else None)
        return tuple(str(entry.get("name", "")) for entry in entries if isinstance(entry, dict))

    @property
    def pyfunc(self) -> Pyfunc:
        return Pyfunc.model_validate(self.flavors.get("python_function", {}))

    @property
    def sklearn(self) -> Sklearn | None:
        content = self.flavors.get("sklearn")
        return Sklearn.model_validate(content) if content else None


def parse_mlmodel(text: str, file: str) -> MLmodel:
    """Parses an `MLmodel` file. Raises FindingsError."""
    try:
        return MLmodel.model_validate(load_mapping(text, file, _WIDE))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        words = problem["msg"].removeprefix("Value error, ").splitlines()[0]
        place = ".".join(map(str, problem["loc"]))
        message = f"not an MLflow model: {place}: {words}" if place else f"not an MLflow model: {words}"
        raise FindingsError([Finding(file, message)]) from error


def signature_in(text: str, file: str) -> dict[str, Any]:
    """Returns the signature in an `MLmodel` file, of columns, tensors or anything else; {} if there is none.

    It is {"inputs": […], "outputs": […], "params": […]}, as MLflow writes it. Raises FindingsError.
    """
    signature = load_mapping(text, file, _WIDE).get("signature") or {}
    place = f"{file}: signature"
    if not isinstance(signature, dict) or not all(
        isinstance(entries, str | None) for entries in signature.values()
    ):
        raise FindingsError([Finding(place, "a mapping of texts is expected")])
    return {name: read_json(entries, place) for name, entries in signature.items() if entries}


def _listed(text: str | None) -> list[Any]:
    """Returns a part of a signature, which is JSON; an empty list if it is not a list."""
    try:
        entries = read_json(text, "signature") if text else []
    except FindingsError as error:
        raise ValueError(f"the signature: {error.findings[0].problem}") from error
    return entries if isinstance(entries, list) else []


def _columns(text: str | None) -> tuple[Column, ...]:
    """Returns the columns of a signature; none for tensors, and for columns without names."""
    entries = _listed(text)
    if not all(_is_column(entry) for entry in entries):
        return ()
    columns = tuple(Column.model_validate(entry) for entry in entries)
    if len({column.name for column in columns}) < len(columns):
        raise ValueError("the signature has two columns with the same name")
    return columns


def _is_column(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    name, kind = entry.get("name"), entry.get("type")
    return isinstance(name, str) and bool(name) and isinstance(kind, str) and kind != "tensor"


def _outside(flavors: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yields the keys with paths that lead out of the model's folder."""
    for flavor, content in flavors.items():
        artifacts = content.get("artifacts")
        named = artifacts.items() if isinstance(artifacts, dict) else ()
        paths = {f"artifacts.{name}": entry.get("path") for name, entry in named if isinstance(entry, dict)}
        for key, path in {**{key: content.get(key) for key in _PATHS}, **paths}.items():
            if isinstance(path, str) and (path.startswith("/") or ".." in path.split("/")):
                yield f"{flavor}.{key}"
