"""params.yaml, parameter files and overrides."""

from __future__ import annotations

from typing import Any

import pytest

from waypost.contracts.parameters import merged
from waypost.errors import FindingsError
from waypost.texts.canonical_yaml import canonical_yaml, flat


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


def test_an_override_that_is_not_utf_8() -> None:
    """Bytes of another encoding on the command line are a finding with its place."""
    with pytest.raises(FindingsError) as caught:
        merged([BASE], ["model.depth=\udce9", "+\udce9=1"])
    assert [found.rpartition(": ")[2] for found in findings(caught)] == [
        "it is not UTF-8; is the terminal's locale one of UTF-8?"
    ] * 2


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


@pytest.mark.parametrize(
    ("override", "content"),
    [
        ("names[0]=z", {"names": ["z", "b"]}),
        ("names.1=z", {"names": ["a", "z"]}),
        ("+names[2]=z", {"names": ["a", "b", "z"]}),
        ("rows[1].n=3", {"rows": [{"n": 1}, {"n": 3, "m": 0}]}),
        ("rows[1]={n: 3}", {"rows": [{"n": 1}, {"n": 3, "m": 0}]}),
        ("+rows[0].k=5", {"rows": [{"n": 1, "k": 5}, {"n": 2, "m": 0}]}),
        ("types.a.b=x", {"types": {"a.b": "x", "Ticket (USD)": 2, 7: "c", "a[0]": 4}}),
        ("types.Ticket (USD)=x", {"types": {"a.b": 1, "Ticket (USD)": "x", 7: "c", "a[0]": 4}}),
        ("types.7=x", {"types": {"a.b": 1, "Ticket (USD)": 2, 7: "x", "a[0]": 4}}),
        ("types.a[0]=x", {"types": {"a.b": 1, "Ticket (USD)": 2, 7: "c", "a[0]": "x"}}),
        ("dotted.top=x", {"dotted.top": "x"}),
    ],
)
def test_overrides_reach_every_place(override: str, content: dict[str, Any]) -> None:
    """Items of lists, keys with dots, spaces and brackets: what a key names is what is changed, no more."""
    base = {
        "names": ["a", "b"],
        "rows": [{"n": 1}, {"n": 2, "m": 0}],
        "types": {"a.b": 1, "Ticket (USD)": 2, 7: "c", "a[0]": 4},
        "dotted.top": 0,
    }
    found = merged([("params.yaml", canonical_yaml(base))], [override]).plain()
    assert found == {**base, **content}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("names[2]=z", "names[2]=z: no such parameter; did you mean 'names'? (+names[2]=… adds one)"),
        (
            "+names[5]=z",
            "+names[5]=z: a list of 2 items, counted from 0: it has no item '5'; the next one is 2",
        ),
        (
            "+names.x=z",
            "+names.x=z: a list of 2 items, counted from 0: it has no item 'x'; the next one is 2",
        ),
    ],
)
def test_items_that_are_not_there(override: str, said: str) -> None:
    """A list has no gaps, and does not become a mapping."""
    with pytest.raises(FindingsError) as caught:
        merged([("params.yaml", "names: [a, b]")], [override])
    assert findings(caught) == [f"command line: {said}"]


def test_references_to_keys_with_dots() -> None:
    """`${a.b}` is the value at a key `a.b`, where there is no b below an a; `$replace` names it alike."""
    config = merged([("params.yaml", "a.b: 1\nm: {x.y: {z: 2}}\nc: ['${a.b}', '${m.x.y.z}']\n")], [])
    assert config.plain()["c"] == [1, 2]
    config = merged(
        [("params.yaml", "m: {x.y: {z: 2}}\n"), ("m.yaml", "$replace: m.x.y\nm: {x.y: {k: 1}}\n")], []
    )
    assert config.plain() == {"m": {"x.y": {"k": 1}}}
