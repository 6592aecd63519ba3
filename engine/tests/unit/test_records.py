"""Records of releases, changelogs, and a run against its record."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from packaging.version import Version

from waypost.errors import FindingsError
from waypost.interfaces.changelog import lines_between, rotated, unreleased
from waypost.interfaces.compare import compare
from waypost.interfaces.record import (
    RunRecord,
    Yank,
    is_record_of,
    next_run_record,
    parse_record,
    record_text,
    run_record_of,
    version_of_record,
)
from waypost.release.run_record import is_result

RUN: dict[str, Any] = {
    "version": "1.0.0",
    "commit": "c",
    "date": "d",
    "run_id": "r",
    "platform": "p",
    "made_with": {},
    "outputs": {"load": {"data": "1"}, "train": {"model": "2"}},
    "metrics": {"evaluate": {"auc": 0.5}},
    "models": ["train.model"],
    "signature": {"inputs": [{"name": "a"}], "outputs": None},
}


def record(**other: Any) -> RunRecord:
    return RunRecord.model_validate(RUN | other)


def states(found: RunRecord) -> dict[str, str]:
    return {c.what: c.state for c in compare(record(), found)}


def test_an_equal_run() -> None:
    """Everything that was recorded is compared, and equal."""
    assert states(record()) == dict.fromkeys(
        ("load.data", "train.model", "evaluate/auc", "model signature"), "equal"
    )


@pytest.mark.parametrize(
    ("other", "what", "state"),
    [
        ({"outputs": {"load": {"data": "3"}, "train": {"model": "2"}}}, "load.data", "different"),
        ({"outputs": {"train": {"model": "2"}}}, "load.data", "different"),
        ({"outputs": {"load": {"data": "1"}, "train": {"model": "3"}}}, "train.model", "cannot compare"),
        ({"outputs": {"load": {"data": "1"}}}, "train.model", "cannot compare"),
        ({"metrics": {"evaluate": {"auc": 0.6}}}, "evaluate/auc", "different"),
        ({"metrics": {}}, "evaluate/auc", "different"),
        ({"signature": {"inputs": [], "outputs": None}}, "model signature", "different"),
    ],
)
def test_each_difference(other: dict[str, Any], what: str, state: str) -> None:
    """What is missing is different; a model's files cannot be compared, but everything else is."""
    found = states(record(**other))
    assert found.pop(what) == state
    assert set(found.values()) == {"equal"}


@pytest.mark.parametrize(
    ("kinds", "outputs", "state"),
    [
        (None, {"data": "1"}, "different"),  # a record of 1.0, which left times out
        ({}, {"data": "1"}, "cannot compare"),
        ({"load": {"m": "quality"}}, {"data": "1"}, "different"),
        ({"load": {"other": "time"}}, {"data": "1"}, "different"),  # a contract that says what is a time
        ({}, {"data": "other"}, "different"),
        ({}, {}, "different"),
    ],
)
def test_a_metric_that_may_be_a_time(kinds: Any, outputs: dict[str, str], state: str) -> None:
    """A metric that is not declared as a time has to be equal. Where a contract declares nothing of its
    metrics, one may be a time, and is told; not where the outputs differ, too. Its name does not count.
    """
    told = record(metrics={"load": {"m": 1.0}}, **({"kinds": kinds} if kinds is not None else {}))
    found = record(metrics={"load": {"m": 2.0}}, outputs={"load": outputs, "train": {"model": "2"}})
    (one,) = [c for c in compare(told, found) if c.what == "load/m"]
    assert one.state == state
    if state == "cannot compare":
        assert one.reason == "1.0 became 2.0; its contract does not say whether it is a time"
    for step in ("evaluate", "train"):  # one has no outputs, the other none that can be compared
        both = [
            record(
                metrics={step: {"m": value}},
                kinds={},
                outputs={"load": {"data": "1"}, "train": {"model": str(value)}},
            )
            for value in (1.0, 2.0)
        ]
        assert {c.what: c.state for c in compare(*both)}[f"{step}/m"] == "different"
    gone = compare(told, record(metrics={}))
    assert next(c for c in gone if c.what == "load/m").state == "different"


def test_records_of_before_are_written_as_they_were() -> None:
    """What 1.0 did not know is only there where it says something."""
    assert "kinds" not in json.loads(record_text(record()))
    assert json.loads(record_text(record(kinds={"a": {"b": "time"}})))["kinds"] == {"a": {"b": "time"}}


def test_a_run_record_is_superseded() -> None:
    """Records do not change: the next one of a version has a number, and the last one counts."""
    names = ["1.0.0.json", "1.0.0.run.json", "1.0.0.yanked.json", "11.0.0.run.json", "1.0.0.run.x.json"]
    assert run_record_of("1.0.0", []) is None
    assert next_run_record("1.0.0", []) == "1.0.0.run.json"
    assert run_record_of("1.0.0", names) == "1.0.0.run.json"
    assert next_run_record("1.0.0", names) == "1.0.0.run.2.json"
    more = [*names, "1.0.0.run.2.json", "1.0.0.run.10.json", "1.0.0.run.9.json"]
    assert run_record_of("1.0.0", more) == "1.0.0.run.10.json"
    assert next_run_record("1.0.0", more) == "1.0.0.run.11.json"
    assert all(version_of_record(f"releases/{name}") is None for name in more[5:])


def test_what_was_found_is_said() -> None:
    """A comparison says what was recorded, what was found, and why it cannot be compared."""
    one = compare(record(), record(metrics={}))[2]
    assert (one.recorded, one.found, one.reason) == ("0.5", "nothing", "")
    signature = compare(record(), record())[3]
    assert re.fullmatch(r"1 inputs, 0 outputs, sha256:[0-9a-f]{16}", signature.recorded)
    other = {"outputs": None, "inputs": [{"name": "a"}]}
    assert compare(record(), record(signature=other))[3].state == "equal"
    assert compare(record(), record(metrics={"evaluate": {"auc": 0.25}}))[2].found == "0.25"
    assert "predictions are compared" in compare(record(), record(outputs={}))[1].reason
    assert compare(record(signature={}), record())[-1].what == "evaluate/auc"


def test_the_text_of_a_record_is_one() -> None:
    """Sorted keys, two spaces, letters as they are."""
    yank = Yank(version="1.0.0", reason="wröng", date="2026-01-01")
    assert (
        record_text(yank)
        == json.dumps(
            {"date": "2026-01-01", "reason": "wröng", "version": "1.0.0"}, indent=2, ensure_ascii=False
        )
        + "\n"
    )
    assert parse_record(Yank, record_text(yank), "x") == yank
    assert '"schema": 1' in record_text(record())
    with pytest.raises(FindingsError, match="x: not valid JSON"):
        parse_record(Yank, "{", "x")


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("releases/1.0.0.json", "1.0.0"),
        ("releases/1.0.0rc1.json", "1.0.0rc1"),
        ("releases/1.0.0.run.json", None),
        ("releases/1.0.0.yanked.json", None),
        ("releases/1.0.json", None),
        ("x/releases/1.0.0.json", None),
    ],
)
def test_which_files_are_records(path: str, version: str | None) -> None:
    """Only X.Y.Z.json is the record of a release."""
    assert version_of_record(path) == version


LOG = """# Changelog

## [Unreleased]
### Added
- new

## [1.1.0] - 2026-02-01
- middle

## v1.0.1
- small

## [1.0.0] - 2026-01-01
- first
"""


def test_sections_between_versions() -> None:
    """The sections after the old version up to the new one, newest first."""
    assert lines_between(LOG, Version("1.0.0"), Version("1.1.0")) == (
        "## [1.1.0] - 2026-02-01\n- middle\n\n## v1.0.1\n- small"
    )
    assert lines_between(LOG, Version("0.9"), Version("1.0.0")) == "## [1.0.0] - 2026-01-01\n- first"
    assert lines_between(LOG, Version("1.1.0"), Version("2.0.0")) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LOG, "### Added\n- new"),
        ("## [Unreleased]\n### Added\n\n## [1.0.0]\n- x\n", ""),
        ("## Unreleased\nplain words\n", "plain words"),
        ("## unreleased - soon\n* star", "* star"),
        ("# Changelog\n- x\n", ""),
        ("", ""),
    ],
)
def test_what_is_unreleased(text: str, expected: str) -> None:
    """The content under [Unreleased]; headings with nothing below them are no content."""
    assert unreleased(text) == expected


def test_rotation() -> None:
    """[Unreleased] is empty afterwards, its content stands under the new version, the rest stays."""
    text = rotated(LOG, "1.2.0", "2026-03-01")
    assert unreleased(text) == ""
    assert "## [Unreleased]\n\n## [1.2.0] - 2026-03-01\n### Added\n- new\n" in text
    assert text.endswith(LOG[LOG.index("## [1.1.0]") :])
    with pytest.raises(ValueError, match="no heading"):
        rotated("# Changelog\n", "1.0.0", "2026-03-01")


@pytest.mark.parametrize(
    ("name", "is_its"),
    [
        ("1.0.0.json", True),
        ("1.0.0.run.json", True),
        ("1.0.0.run.2.json", True),
        ("1.0.0.yanked.json", False),
        ("11.0.0.json", False),
        ("1.0.0.1.json", False),
    ],
)
def test_which_records_are_of_a_version(name: str, is_its: bool) -> None:
    """Its own, that of its run, and what supersedes that one: none of them may go away unseen."""
    assert is_record_of("1.0.0", name) is is_its


def test_metrics_of_the_machine_are_no_results() -> None:
    """What a contract calls a time, and what is measured of the machine, is in no record."""
    kinds = {"fit_seconds": "time"}
    names = ["accuracy", "fit_seconds", "system/peak_memory_mb", "system/cpu_utilization_percentage"]
    assert [name for name in names if is_result(name, kinds)] == ["accuracy"]
