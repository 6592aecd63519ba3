"""Figures that components hand over: what a document may say, and what is said of one that does not fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waypost.contracts.component import Output
from waypost.contracts.declared_outputs import output_tags, outputs_declared
from waypost.contracts.figures import parse_figures
from waypost.errors import FindingsError

FIGURE: dict[str, Any] = {
    "title": "Loss",
    "mark": "line",
    "columns": [{"name": "epoch"}, {"name": "loss", "unit": "nats"}],
    "rows": [[1, 0.5], [2, None]],
    "x": "epoch",
    "y": "loss",
}


def document(**changes: Any) -> str:
    return json.dumps({"schema": 1, "figures": [{**FIGURE, **changes}]})


def test_a_document_is_read() -> None:
    """One column of values is enough for `y`; values keep their types, missing ones are None."""
    [figure] = parse_figures(document(), "figures.json").figures
    assert figure.y == ("loss",)
    assert figure.column("loss") == [0.5, None]
    assert (figure.part, figure.columns[1].unit) == ("other", "nats")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"y": "lost"}, "there is no column 'lost'"),
        ({"rows": [[1]]}, "a row has 1 values, there are 2 columns"),
        ({"columns": [{"name": "loss"}, {"name": "loss"}]}, "two columns have the same name"),
        ({"x": ""}, "mark line needs x"),
        ({"mark": "pie"}, "'table', 'bar', 'line', 'point' or 'heat'"),
        ({"mark": "heat", "value": "loss", "y": ["loss", "epoch"]}, "mark heat needs exactly one y"),
        ({"rows": [[1, 2]] * 2001}, "at most 2000"),
        ({"rows": [[1, {"a": 1}]]}, "rows.0.1"),
        ({"colour": "red"}, "unknown key"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], problem: str) -> None:
    """A document that does not fit is refused, with the place and what is wrong."""
    with pytest.raises(FindingsError) as caught:
        parse_figures(document(**changes), "figures.json")
    assert problem in "\n".join(map(str, caught.value.findings))


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2}', '{"figures": 1}', "[" * 5000])
def test_no_document_at_all(text: str) -> None:
    """Whatever else stands in the file is an error in words, never another exception."""
    with pytest.raises(FindingsError):
        parse_figures(text, "figures.json")


def test_outputs_are_declared_by_a_tag() -> None:
    """A step's run says which of its outputs are figures and which have predictions, no more."""
    outputs = {
        "model": Output(path="model", type="mlflow-model"),
        "figures": Output(path="f.json", type="figures", description="x"),
        "answers": Output(path="a.parquet", type="table", predictions="said"),
    }
    tags = output_tags(outputs)
    found = outputs_declared(tags)
    assert [(name, each.path, each.predictions) for name, each in found.items()] == [
        ("figures", "f.json", ""),
        ("answers", "a.parquet", "said"),
    ]
    assert output_tags({"model": outputs["model"]}) == {}
    for odd in ("", "[1]", "{", '{"a": {"path": "../x"}}', '{"a": 1}'):
        assert outputs_declared({"waypost.outputs": odd}) == {}
