"""The form of a server's page: what it asks for each column, and what it tells of it."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest

from waypost.contracts.mlmodel import MLmodel, parse_mlmodel
from waypost.inference.categories import Codes, NumberCategories, OneHot
from waypost.inference.features import Numbers
from waypost.inference.preprocessing import Plan
from waypost.serving.fields import MOST_FIELDS, Field, Value, fields_of
from waypost.serving.markdown import html_of
from waypost.serving.openapi import example_of, openapi
from waypost.serving.page import PageContent, page

TYPES = {
    "amount": "double",
    "age": "long",
    "owner": "boolean",
    "city": "string",
    "note": "string",
    "since": "datetime",
    "tags": "array",
}
ROWS = [
    {"amount": 10.5, "age": 30, "owner": 1, "city": "Bonn", "note": "x", "since": "2026-01-02 03:04:05"},
    {"amount": 90.0, "age": 30, "owner": 0, "city": "Kiel", "note": None, "since": None},
]


def model(metadata: Any = None, types: dict[str, str] = TYPES) -> MLmodel:
    columns = [{"name": name, "type": kind, "required": name != "note"} for name, kind in types.items()]
    content = {
        "flavors": {"python_function": {}},
        "signature": {"inputs": json.dumps(columns)},
        "metadata": metadata,
    }
    return parse_mlmodel(json.dumps(content), "MLmodel")


def shown(said: MLmodel, fields: tuple[Field, ...], card: str = "") -> str:
    document = openapi(said, "m", example_of(said, ROWS), needs_token=False)
    return page(PageContent(document, said, {}, fields, card), "n")


def control(text: str, name: str) -> str:
    """Returns the start tag of the control of a column."""
    tags: list[str] = re.findall(r"<(?:input|select|textarea)[^>]*>", text)
    return next(tag for tag in tags if f'"{name}"' in tag)


def test_each_kind_has_its_control() -> None:
    """Numbers, dates, check marks and JSON have controls of their own, filled with the example's row, each
    with a label; a text that may be missing says so by a check mark.
    """
    said = model()
    fields = fields_of(said, ROWS, {"city": ["Bonn", "Ulm", ""]})
    assert [field.kind for field in fields] == [
        *("number", "integer", "boolean", "text", "text", "time", "json"),
    ]
    text = shown(said, fields)
    assert 'type="number" step="any"' in control(text, "amount")
    assert 'value="10.5"' in control(text, "amount")
    assert 'step="1"' in control(text, "age")
    assert "checked" in control(text, "owner")
    assert 'value="2026-01-02T03:04:05"' in control(text, "since")
    assert control(text, "city").startswith("<select")
    options = [html.unescape(each) for each in re.findall(r'<option value="([^"]*)"', text)]
    assert [json.loads(each) for each in options] == [None, "Bonn", "Ulm", ""]
    assert "data-missing" in text
    ids = re.findall(r'id="(f\d+)"', text)
    assert re.findall(r'<label for="(f\d+)"', text) == ids
    assert len(ids) == len(TYPES)


def test_what_is_known_of_a_column_is_told() -> None:
    """Description and range come from metadata; without it, the example's range is told as such."""
    columns = {"amount": {"description": "In <euros>", "minimum": 5, "maximum": 1234567.5}}
    said = model({"columns": columns})
    amount = fields_of(said, ROWS, {})[0]
    assert (amount.description, amount.minimum, amount.maximum) == ("In <euros>", 5.0, 1234567.5)
    text = shown(said, (amount,))
    assert "In &lt;euros&gt; · trained on 5 to 1234568" in text
    assert 'min="5.0" max="1234567.5"' in text
    assert "in the example 10.5 to 90" in shown(model(), fields_of(model(), ROWS, {}))


def test_categories_in_metadata_are_told() -> None:
    """What no encoder says is a hint, cut short where it is long, and no choice: rare ones are not there."""
    said = model(
        {"columns": {"city": {"categories": ["<Bonn>", "Kiel"]}, "age": {"categories": [*range(30)]}}}
    )
    fields = fields_of(said, ROWS, {})
    assert fields[3].choices == ()
    text = shown(said, fields)
    assert "often &lt;Bonn&gt;, Kiel</small>" in text
    assert "often 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …" in text
    assert "often" not in shown(said, fields_of(said, ROWS, {"city": ["Bonn"], "age": [1.0]}))


@pytest.mark.parametrize("metadata", [None, {"columns": ["a"]}, {"columns": {"amount": {"minimum": "x"}}}])
def test_metadata_of_another_form_says_nothing(metadata: Any) -> None:
    """Whatever else a model keeps below `columns` is no reason to have no page."""
    assert fields_of(model(metadata), ROWS, {})[0].minimum is None


def test_choices_are_what_the_model_knows() -> None:
    """Encoders' categories are choices: whole numbers for a column of those, no NaN, the example's own value
    besides; beyond some hundred, the field is free.
    """
    said = model()
    known: dict[str, list[Value]] = {
        "age": [1.0, 2.0, float("nan")],
        "note": [str(n) for n in range(1000)],
        "owner": [0.0, 1.0],
    }
    fields = {field.name: field.choices for field in fields_of(said, ROWS, known)}
    assert fields["age"] == (1, 2, 30)
    assert fields["note"] == fields["owner"] == ()


def test_categories_are_those_of_encoders() -> None:
    """A plan tells the categories of one-hot and ordinal columns, and of none else."""
    plan = Plan(
        parts=[
            Numbers(columns=["n"]),
            Codes(columns=["a", "b"], categories=[["x"], ["y", "z"]]),
            OneHot(columns=["c"], categories=[["u"]]),
            NumberCategories(columns=["d"], categories=[[1.0, 2.0]]),
        ]
    )
    assert plan.categories == {"a": ["x"], "b": ["y", "z"], "c": ["u"], "d": [1.0, 2.0]}


def test_a_wide_model_is_asked_by_json() -> None:
    """Nobody fills in hundreds of fields: the request is open as JSON instead."""
    said = model(types={f"c{n}": "double" for n in range(MOST_FIELDS + 1)})
    assert fields_of(said, [], {}) == ()
    assert "<details open><summary>Request as JSON" in shown(said, ())


def test_a_card_is_plain_html() -> None:
    """Headings, tables, lists and code of a card are shown; links, images and HTML stand there as text."""
    text = html_of(
        "# A\n\n| m | v |\n|---|---|\n| x | 1 |\n\n- `c`\n\n[l](//e) ![i](//e) <b onload=x>\n\n\\_\\<\n"
    )
    assert "<h1>A</h1>" in text
    assert "<td>x</td>" in text
    assert "<li><code>c</code></li>" in text
    assert "[l](//e) ![i](//e) &lt;b onload=x&gt;" in text
    assert "<p>_&lt;</p>" in text
    assert "Model card" not in shown(model(), ())
    assert '<article class="card"><h1>A</h1>' in shown(model(), (), "# A")
