"""What an MLflow model's `MLmodel` file says, without MLflow."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from waypost.contracts.parsing import load_mapping
from waypost.errors import Finding, FindingsError

FILE = "MLmodel"

Kind = Literal["number", "integer", "boolean", "text"]
_KINDS: dict[str, Kind] = {
    "double": "number",
    "float": "number",
    "long": "integer",
    "integer": "integer",
    "boolean": "boolean",
    "string": "text",
}


class _Loose(BaseModel):
    """MLflow adds keys as it likes: those that are not known do not matter here."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Column(_Loose):
    """A column of a signature; one that is not required may be missing in the table, or in a row."""

    name: str
    type: str
    required: bool = True

    @property
    def kind(self) -> Kind:
        return _KINDS[self.type]


class Sklearn(_Loose):
    """The scikit-learn flavour."""

    pickled_model: str = "model.pkl"
    serialization_format: str = "cloudpickle"
    sklearn_version: str = ""
    code: str | None = None


class _Signature(_Loose):
    inputs: str | None = None
    outputs: str | None = None


class MLmodel(_Loose):
    """An MLflow model. `flavors` are as MLflow writes them."""

    flavors: dict[str, dict[str, Any]]
    signature: _Signature | None = None
    metadata: dict[str, Any] | None = None
    run_id: str | None = None
    model_id: str | None = None
    mlflow_version: str = ""

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that the model asks for, in its order; none where it says nothing of columns."""
        return _columns(self.signature.inputs if self.signature else None)

    @cached_property
    def outputs(self) -> tuple[Column, ...]:
        return _columns(self.signature.outputs if self.signature else None)

    @property
    def sklearn(self) -> Sklearn | None:
        content = self.flavors.get("sklearn")
        return Sklearn.model_validate(content) if content else None


def parse_mlmodel(text: str, file: str) -> MLmodel:
    """Returns what an `MLmodel` file says. Raises FindingsError."""
    try:
        return MLmodel.model_validate(load_mapping(text, file))
    except ValidationError as error:
        places = [".".join(map(str, e["loc"])) for e in error.errors()]
        raise FindingsError([Finding(file, f"not an MLflow model: {', '.join(places)}")]) from error


def _columns(text: str | None) -> tuple[Column, ...]:
    """Returns the columns of a signature; none for tensors, arrays and objects."""
    entries = json.loads(text) if text else []
    simple = all(entry.get("type") in _KINDS and entry.get("name") for entry in entries)
    return tuple(Column.model_validate(entry) for entry in entries) if simple else ()
