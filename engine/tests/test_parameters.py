"""params.yaml, parameter files and overrides."""

from __future__ import annotations

import pytest

from waypost.contracts.parameters import canonical_yaml, flat, merged
from waypost.errors import FindingsError


def findings(caught: pytest.ExceptionInfo[FindingsError]) -> list[str]:
    return [str(finding) for finding in caught.value.findings]


BASE = ("params.yaml", "model: {depth: 3, trees: 10}\ndata: {url: a.csv}\nnames: [a, b]\n")


def test_layers_in_order() -> None:
    """Files are merged in order, overrides come last; mappings merge, lists are replaced."""
    config = merged(
        [BASE, ("more.yaml", "model: {depth: 4}\nnames: [c]\n")], ["model.trees=20", "+model.new=x"]
    )
    assert config.plain() == {
        "model": {"depth": 4, "trees": 20, "new": "x"},
        "data": {"url": "a.csv"},
        "names": ["c"],
    }


def test_replace_takes_a_key_over_whole() -> None:
    """A key under $replace keeps nothing of the layers below."""
    config = merged([BASE, ("other.yaml", "$replace: [model]\nmodel: {kind: tree}\n")], [])
    assert config.plain()["model"] == {"kind": "tree"}


def test_every_wrong_override_is_listed() -> None:
    """A key that is not there and a form that is wrong are all told, with the nearest name."""
    with pytest.raises(FindingsError) as caught:
        merged([BASE], ["model.dept=4", "nonsense", "model.depth=5"])
    assert findings(caught) == [
        "command line: model.dept=4: no such parameter; did you mean 'model.depth'? (+model.dept=… adds one)",
        "command line: nonsense: an override is of the form key=value",
    ]


def test_interpolation() -> None:
    """${key} is filled in from the parameters, in texts and whole mappings; a wrong key is named."""
    config = merged([BASE], [])
    assert config.resolved("${model}", "here") == {"depth": 3, "trees": 10}
    assert config.resolved({"m": ["${model.depth}", "x-${data.url}"]}, "here") == {"m": [3, "x-a.csv"]}
    with pytest.raises(FindingsError) as caught:
        config.resolved("${model.deep}", "here")
    assert findings(caught) == ["here: no parameter 'model.deep'; did you mean 'model.depth'?"]


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "- a\n", "a: ${b}\nc: ${nope}\n"])
def test_broken_files_are_findings(text: str) -> None:
    """Broken YAML, a key that stands twice, a list, an unknown reference: a finding, not a trace."""
    with pytest.raises(FindingsError):
        merged([("params.yaml", text)], []).plain()


def test_canonical_forms() -> None:
    """One value has one text, whatever the order in which it was written."""
    assert canonical_yaml({"b": 1, "a": [1, 2]}) == canonical_yaml({"a": [1, 2], "b": 1})
    assert flat({"a": {"b": 1, "c": [1, "x"]}, "d": None, "e": {}}) == {
        "a.b": "1",
        "a.c": "[1, x]",
        "d": "null",
        "e": "{}",
    }
