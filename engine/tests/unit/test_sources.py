"""Sources of components, columns of models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.contracts.mlmodel import parse_mlmodel
from waypost.contracts.pipeline import Source
from waypost.contracts.urls import name_of, without_secrets


@pytest.mark.parametrize(
    ("hold", "component", "is_held"),
    [(True, "a", True), (("a",), "a", True), (("a",), "b", False), ((), "a", False)],
)
def test_what_is_held(hold: Any, component: str, is_held: bool) -> None:
    """`hold` names components, or all of them."""
    source = Source.model_validate({"git": "../c.git", "version": "~=1.0", "hold": hold})
    assert source.holds(component) is is_held


@pytest.mark.parametrize(
    ("url", "plain", "name"),
    [
        ("https://u:s3cret@h.org:8443/t/parts.git", "https://h.org:8443/t/parts.git", "parts"),
        ("https://s3cret@h.org/t/parts/", "https://h.org/t/parts/", "parts"),
        ("ssh://git@h.org:22/t/parts.git", "ssh://git@h.org:22/t/parts.git", "parts"),
        ("ssh://git:s3cret@h.org/parts", "ssh://h.org/parts", "parts"),
        ("git@h.org:t/parts.git", "git@h.org:t/parts.git", "parts"),
        ("git@h.org:parts", "git@h.org:parts", "parts"),
        ("https://h.org/t/p@rts.git", "https://h.org/t/p@rts.git", "p@rts"),
        ("/srv/parts/.git", "/srv/parts/.git", "parts"),
        ("../parts", "../parts", "parts"),
    ],
)
def test_addresses_of_repositories(url: str, plain: str, name: str) -> None:
    """No password and no token gets into a pipeline.yaml; a clone is called as git calls it."""
    assert without_secrets(url) == plain
    assert name_of(url) == name


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ([{"name": "a", "type": "double"}, {"name": "b", "type": "string"}], ["a", "b"]),
        ([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}], []),
        ([{"name": "a", "type": "double"}, {"name": "b", "type": "datetime"}], ["a", "b"]),
        ([{"name": "", "type": "double"}], []),
        ([{"type": "double"}], []),
        (None, []),
    ],
)
def test_columns_of_a_signature(inputs: Any, names: list[str]) -> None:
    """Named columns, whatever their types, or none: tensors are no columns."""
    signature = {} if inputs is None else {"inputs": json.dumps(inputs)}
    model = parse_mlmodel(json.dumps({"flavors": {"python_function": {}}, "signature": signature}), "MLmodel")
    assert [column.name for column in model.inputs] == names
