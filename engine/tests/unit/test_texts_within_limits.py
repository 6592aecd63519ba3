"""YAML and JSON of strangers: what they may hold, and that a text which means too much is refused at once."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
import yaml

from waypost.errors import FindingsError
from waypost.texts.json_text import read_json
from waypost.texts.limits import Limits, shortened
from waypost.texts.yaml_text import read_yaml

FEW = Limits(characters=200, values=20, depth=4, key=10, number=8)


def refusal(read: Any, text: str, limits: Limits = FEW) -> str:
    with pytest.raises(FindingsError) as caught:
        read(text, "file", limits)
    (finding,) = caught.value.findings
    return f"{finding.place}: {finding.problem}"


def laughs(levels: int) -> str:
    """Returns YAML in which each line has ten aliases to the one before it."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "a: 1\nb: [x, 'y', \"z\", null, ~, true, False, 0x1F, 007, 1.5, .inf]\n",
        "a: {b: {c: [1, {d: 2}]}}\n? k\n: v\n",
        "text: |\n  two\n  lines\nfolded: >-\n  one\n  line\n",
        "base: &base {x: 1, y: 2}\nother: *base\nlist: [*base, *base]\n",
        "!!str 1: !!int '2'\nbinary: !!binary aGVsbG8=\n",
        "2: a\ntrue: b\nnull: c\n",
        "- a\n- - b\n",
        "plain",
        "date: !!timestamp 2024-02-29\ntime: !!timestamp 2024-02-29T12:00:00Z\n",
    ],
)
def test_yaml_means_what_pyyaml_says(text: str) -> None:
    """Harmless texts have the value that PyYAML's safe loader gives them."""
    assert read_yaml(text, "file") == yaml.safe_load(text)


def test_merge_keys() -> None:
    """`<<` puts the keys of other mappings below a mapping's own; of several, the first has the last word."""
    text = "a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\nd: {y: 4, <<: *a}\n"
    value = read_yaml(text, "file")
    assert value["c"] == yaml.safe_load(text)["c"] == {"x": 1, "y": 3, "z": 2}
    assert value["d"] == {"x": 1, "y": 4}
    assert read_yaml("'<<': 1", "file") == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "x" * 200, "file: not valid YAML: 203 characters, more than 200"),
        ("[" + "x," * 20 + "]", "file:1: not valid YAML: more than 20 values, those behind aliases counted"),
        ("a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b]", "file:3: not valid YAML: more than 20 values"),
        ("a: &a " + "x" * 90 + "\nb: [*a, *a]", "file:2: not valid YAML: more than 200 characters"),
        ("a: [[[[1]]]]", "file:1: not valid YAML: it is nested more than 4 levels deep"),
        ("a: &a [[1]]\nb: &b [*a]\nc: [*b]", "file:3: not valid YAML: it is nested more than 4 levels deep"),
        ("a: &a [1, *a]", "file:1: not valid YAML: &a contains itself"),
        ("a: *b", "file:1: not valid YAML: nothing is called &b"),
        ("a: 1\nb: 2\na: 3", "file:3: not valid YAML: key 'a' appears twice"),
        ("1: a\n1: b", "file:2: not valid YAML: key '1' appears twice"),
        ("a: &a {x: 1}\nb: {<<: *a, <<: *a}", "file:2: not valid YAML: key '<<' appears twice"),
        ("a: {<<: 1}", "file:1: not valid YAML: << takes a mapping, or a list of mappings"),
        ("? [a]\n: 1", "file:1: not valid YAML: a list cannot be a key"),
        ("? {a: 1}\n: 1", "file:1: not valid YAML: a mapping cannot be a key"),
        ("longer_than_ten: 1", "file:1: not valid YAML: a key of 15 characters, more than 10"),
        ("a: 123456789", "file:1: not valid YAML: a number of 9 characters, more than 8"),
        ("a: !!timestamp 2024-02-31", "file:1: not valid YAML: '2024-02-31' is no timestamp"),
        ("a: !!int x", "file:1: not valid YAML: 'x' is no int"),
        ("a: !!python/name:os.system x", "file:1: not valid YAML: the tag tag:yaml.org,2002:python/name:os"),
        ("a: !!set {x}", "file:1: not valid YAML: the tag tag:yaml.org,2002:set is not taken"),
        ("a: 1\n---\nb: 2", "file:2: not valid YAML: a second document begins here"),
        ("a: [1", "file:2: not valid YAML: did not find expected"),
        ("a: \udcff", "file: not valid YAML: half of a surrogate pair"),
    ],
)
def test_yaml_that_is_refused(text: str, said: str) -> None:
    """What is wrong is one finding with file, line and limit."""
    assert refusal(read_yaml, text).startswith(said)


def test_what_aliases_mean_is_known_before_it_is_made() -> None:
    """Some hundred bytes that stand for 10^9, and for 10^100, values are refused within milliseconds."""
    began = time.process_time()
    for levels in (9, 100):
        assert "more than 100,000 values" in refusal(read_yaml, laughs(levels), Limits())
    merges = [
        "m0: &m0 {k: 1}",
        *(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 9)),
    ]
    assert "more than 100,000 values" in refusal(read_yaml, "\n".join(merges), Limits())
    assert "levels deep" in refusal(read_yaml, "[" * 3_000_000, Limits())
    assert "levels deep" in refusal(
        read_yaml, "".join(" " * n + "a:\n" for n in range(600)) + " " * 600 + "b", Limits()
    )
    assert time.process_time() - began < 1


def test_large_texts_are_read() -> None:
    """What people write is far below the limits: ten thousand values, a deep tree, a long text."""
    assert len(read_yaml("\n".join(f"k{n}: {{a: {n}}}" for n in range(10_000)), "file")) == 10_000
    assert read_yaml("[" * 99 + "]" * 99, "file")
    assert len(read_yaml("a: " + "x" * 1_000_000, "file")["a"]) == 1_000_000


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, null, true, "x"]}', "[]", "1", '"\\u00e9\\ud83d\\ude00"', '","']
)
def test_json(text: str) -> None:
    """Harmless texts have the value that Python gives them."""

    assert read_json(text, "file") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" + "1," * 100 + "1]", "203 characters, more than 200"),
        ("[" + "1," * 20 + "1]", "more than 20 values"),
        ("[[[[[1]]]]]", "it is nested more than 4 levels deep"),
        ('{"a": {"b": {"c": {"d": {}}}}}', "it is nested more than 4 levels deep"),
        ("123456789", "a number of 9 characters, more than 8"),
        ("1e999", "1e999 is larger than any number here"),
        ("[NaN]", "NaN is no number of JSON"),
        ("-Infinity", "-Infinity is no number of JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' appears twice"),
        ('["\\ud800"]', "half of a surrogate pair"),
        ('{"\\udfff": 1}', "half of a surrogate pair"),
        ('{"a": ', "Expecting value"),
        ("", "Expecting value"),
    ],
)
def test_json_that_is_refused(text: str, said: str) -> None:
    """What is wrong is one finding with the limit."""
    assert refusal(read_json, text).startswith(f"file: not valid JSON: {said}")


def test_json_that_python_cannot_follow() -> None:
    """A hundred thousand brackets are refused, and so are two million empty lists, before they are made."""
    assert "levels deep" in refusal(read_json, "[" * 100_000, Limits())
    assert "more than 100,000 values" in refusal(read_json, "[" + "[]," * 200_000 + "[]]", Limits())
    assert read_json('["' + "," * 200_000 + '"]', "file", Limits()) == ["," * 200_000]


def test_json_as_python_writes_it() -> None:
    """NaN and infinity are values where programs write them."""
    first, second = read_json("[NaN, Infinity]", "file", with_nan=True)
    assert math.isnan(first)
    assert second == float("inf")


def test_as_much_as_the_limits_say() -> None:
    """Values, levels and digits of JSON may be as many as the limits say, and not one more."""
    fine = ["[" + ",".join("1" * 19) + "]", "[[[[1]]]]", "12345678", '{"a": [1, "x,y,z"]}']
    assert [read_json(text, "file", FEW) for text in fine] == [
        [1] * 19,
        [[[[1]]]],
        12345678,
        {"a": [1, "x,y,z"]},
    ]
    assert "more than 20 values" in refusal(read_json, "[" + ",".join("1" * 22) + "]")
    assert "more than 4 levels" in refusal(read_json, "[[[[[1]]]]]")
    assert "more than 4 levels" in refusal(read_json, '[1, {"a": [[[1]]]}, 2]')
    assert "more than 8" in refusal(read_json, "123456789")


def test_every_value_of_a_list_is_looked_at() -> None:
    """Half a character is found wherever it stands, and marks within texts count for nothing."""
    assert "surrogate" in refusal(read_json, '["\\ud800", []]')
    assert read_json(json.dumps(["[" * 30] + [1] * 18), "file", FEW)
    assert read_json(json.dumps(["[" * 30] + [1] * 19), "file", FEW)
    assert "more than 20 values" in refusal(read_json, json.dumps(["[" * 30] + [1] * 20))


def test_yaml_as_much_as_the_limits_say() -> None:
    """Keys, numbers and values may be as long and as many as the limits say, and not more."""
    assert read_yaml(f"{'k' * 10}: 12345678", "file", FEW) == {"k" * 10: 12345678}
    assert len(read_yaml(f"[{'1, ' * 19}]", "file", FEW)) == 19
    assert "more than 20 values" in refusal(read_yaml, f"[{'1, ' * 20}]")
    assert (shortened("x" * 60), shortened("x" * 61)) == ("x" * 60, "x" * 60 + "…")
