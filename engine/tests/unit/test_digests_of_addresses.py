"""Which parameter holds the sha256 of what is behind an address."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.checks import entry_point_problems
from waypost.contracts.component import Component, EntryPoint
from waypost.interfaces.interface import interface_changes, interface_digest, interface_of

URL: dict[str, Any] = {"format": "uri"}


def entry(**parameters: Any) -> EntryPoint:
    command = " ".join(f"{{{name}}}" for name in parameters)
    return EntryPoint.model_validate({"command": command, "parameters": parameters})


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"url": URL, "sha256": {}}, {"url": "sha256"}),
        ({"url": URL, "labels": URL, "sha256": {}}, {}),
        ({"url": URL, "sha256": {}, "labels_sha256": {}}, {}),
        ({"url": {**URL, "sha256": "sha256"}, "labels": URL, "sha256": {}}, {"url": "sha256"}),
        ({"url": {**URL, "sha256": "digest"}, "digest": {}}, {"url": "digest"}),
        ({"url": URL, "data": {"type": "path"}, "sha256": {}}, {"url": "sha256"}),
        ({"data": {"type": "path"}, "sha256": {}}, {"data": "sha256"}),
        ({"a": {"type": "path"}, "b": {"type": "path"}, "sha256": {}}, {}),
        ({"url": URL}, {}),
    ],
)
def test_one_digest_pins_one_address(parameters: dict[str, Any], expected: dict[str, str]) -> None:
    """The contract says which; without a word of it one address and one digest belong together, and where
    there are more of either, nothing is pinned.
    """
    point = entry(**parameters)
    found = {name: point.digest_parameter(name) for name in parameters}
    assert {name: digest for name, digest in found.items() if digest} == expected


@pytest.mark.parametrize(
    ("parameters", "problem", "hint"),
    [
        (
            {"url": {**URL, "sha256": "sha265"}, "sha256": {}},
            "no parameter 'sha265'",
            "did you mean 'sha256'?",
        ),
        ({"url": {**URL, "sha256": "url"}}, "'url' cannot hold a digest", "name a parameter of type string"),
        (
            {"url": {**URL, "sha256": "n"}, "n": {"type": "int"}},
            "'n' cannot hold a digest",
            "name a parameter of",
        ),
        (
            {"n": {"type": "int", "sha256": "s"}, "s": {}},
            "type int has no content to verify",
            "only an address",
        ),
    ],
)
def test_a_digest_that_is_not_there(parameters: dict[str, Any], problem: str, hint: str) -> None:
    """The contract's own mistakes are told with key and near name."""
    [(key, said, mend)] = entry_point_problems(entry(**parameters))
    assert key.endswith(".sha256")
    assert said == problem
    assert mend.startswith(hint)


def component(**main: Any) -> Component:
    return Component.model_validate({"name": "c", "entry_points": {"main": {"command": "x", **main}}})


def test_interfaces_of_before_keep_their_digest() -> None:
    """What a contract does not declare is not in its interface: locks of 1.0 hold these digests."""
    old = component(parameters={"p": {}}, outputs={"o": {"path": "o"}}, metrics={"m": "text"})
    parameter = {
        "type": "string",
        "format": "",
        "default": None,
        "choices": (),
        "minimum": None,
        "maximum": None,
    }
    assert interface_of(old) == {"main": {"parameters": {"p": parameter}, "outputs": {"o": "o"}}}
    assert interface_digest(old) == "7b4cdc1b65963fc988a9ec54ab2aac132656a5bd1e0509d999db4510fd2b8bc8"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"metrics": {"m": {"better": "lower"}}}, "added: declaration of metric 'm'"),
        ({"metrics": {"m": {"better": "lower"}}}, {}, "breaking: declaration of metric 'm' was removed"),
        (
            {"metrics": {"m": {"better": "lower"}}},
            {"metrics": {"m": {"better": "higher"}}},
            "breaking: metric 'm': better lower became higher",
        ),
        (
            {"metrics": {"m": {"better": "lower"}}},
            {"metrics": {"m": {"better": "lower", "unit": "%"}}},
            "changed: metric 'm': unit none became %",
        ),
        ({"metrics": {"m": "a"}}, {"metrics": {"m": "b", "n": "c"}}, None),
        (
            {"outputs": {"o": {"path": "o"}}},
            {"outputs": {"o": {"path": "o", "type": "table"}}},
            "changed: output 'o': type none became table",
        ),
        (
            {"outputs": {"o": {"path": "o", "type": "table"}}},
            {"outputs": {"o": {"path": "o", "type": "file"}}},
            "breaking: output 'o': type table became file",
        ),
        (
            {"parameters": {"u": URL, "s": {}}},
            {"parameters": {"u": {**URL, "sha256": "s"}, "s": {}}},
            "changed: parameter 'u': sha256 none became s",
        ),
    ],
)
def test_what_a_declaration_demands(
    before: dict[str, Any], after: dict[str, Any], expected: str | None
) -> None:
    """To declare more is an addition; to turn a direction round, or to give another type, breaks users."""
    old, new = component(**before), component(**after)
    assert [str(change) for change in interface_changes(old, new)] == ([expected] if expected else [])
