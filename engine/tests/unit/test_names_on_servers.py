"""Names of users in what MLflow and W&B take, and numbers that JSON does not."""

from __future__ import annotations

import json
import math

import pytest
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.validation import _validate_param

from waypost.interfaces.compare import compare
from waypost.interfaces.record import RunRecord, parse_record, record_text
from waypost.report.figures import figure
from waypost.texts.json_text import writable
from waypost.tracking import names

ODD = [
    *("Ticket (USD)", "a,b", "50%", "e@f", "k" * 300, "/abs", "../up", "..", ".", "a//b", "a/", "a/../b", ""),
    *("tab\there", "two\nlines", "ключ (₽)", "ключ", "x" * 248 + "/y(z", "a'b", '"', "\\", "((((/"),
]


def test_parameter_names_that_mlflow_takes_stay() -> None:
    """What MLflow takes is logged as it is."""
    for name in ("model.max_depth", "a b", "a/b", "a:b-c_d", "ключ", "k" * 250):
        assert names.parameters({name: "1"}) == {name: "1"}


def test_parameter_names_that_mlflow_does_not_take() -> None:
    """Others become names that MLflow takes, start as they are, and no two become one."""
    found = names.parameters({name: name for name in [*ODD, "Ticket [USD]", "k" * 301]})
    assert len(found) == len(ODD) + 2
    for name in found:
        _validate_param(name, "1")
    assert next(iter(found)).startswith("Ticket _USD_-")


@pytest.mark.parametrize(
    "value",
    [
        "grades",
        "Anna's grades",
        'say "so"',
        "both ' and \"",
        "back\\slash",
        "\\",
        "a;b",
        "50%_x",
        "x AND y = 'z'",
        "ключ",
        "`",
    ],
)
def test_conditions_hold_any_value(value: str) -> None:
    """MLflow's parser takes the condition for one comparison of the tag."""
    condition = names.tag_is("waypost.pipeline", value)
    found = SearchUtils.parse_search_filter(f"{condition} AND attributes.status = 'FINISHED'")
    assert found[0]["key"] == "waypost.pipeline"
    assert found[0]["comparator"] in ("=", "LIKE")
    assert len(found) == 2
    if found[0]["comparator"] == "=":
        assert found[0]["value"] == value


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("grades", "grades"),
        ("grades/2026", "grades-2026"),
        ("a b: 50% #1?", "a-b-50-1"),
        ("///", "waypost"),
        ("n" * 200, "n" * 128),
    ],
)
def test_projects_of_wandb(name: str, project: str) -> None:
    """W&B's settings refuse / # ? % : and backslashes, and more than 128 characters."""
    assert names.project(name) == project


@pytest.mark.parametrize(
    ("value", "whole", "text"),
    [
        (math.nan, "nan", "nan"),
        (math.inf, "inf", "inf"),
        (-math.inf, "-inf", "-inf"),
        (1.7976931348623157e308, "1.798e+308", "1.798e+308"),
        (1234.0, "1,234", "1234.0000"),
        (0.123456, "0.1235", "0.1235"),
    ],
)
def test_figures(value: float, whole: str, text: str) -> None:
    """Any number can be shown."""
    assert (figure(value, whole=True), figure(value)) == (whole, text)


def test_json_has_no_nan() -> None:
    """A document is JSON for every reader: what is no number there is a text."""
    content = {"a": [math.nan, 1.5], "b": {"c": math.inf, "d": -math.inf}, "e": (1,)}
    text = json.dumps(writable(content), allow_nan=False)
    assert json.loads(text) == {"a": ["NaN", 1.5], "b": {"c": "Infinity", "d": "-Infinity"}, "e": [1]}


def test_records_of_runs_with_nan() -> None:
    """A run record keeps metrics that are no numbers, and the same again is equal."""
    about = {"version": "1.0.0", "commit": "", "date": "d", "run_id": "r", "platform": "p", "made_with": {}}
    record = RunRecord.model_validate(
        {**about, "outputs": {}, "metrics": {"s": {"a": math.nan, "b": math.inf, "c": 1.0}}}
    )
    again = parse_record(RunRecord, record_text(record), "file")
    assert math.isnan(again.metrics["s"]["a"])
    assert again.metrics["s"]["b"] == math.inf
    assert {one.state for one in compare(record, again)} == {"equal"}
