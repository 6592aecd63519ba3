"""A value arrives as it was written: one reader for files and command line, and the contract's type first."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from waypost.contracts.component import Component, Parameter, parse_component
from waypost.contracts.parameters import Parameters, merged
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.plan import Inline
from waypost.contracts.planning import make_plan
from waypost.errors import FindingsError
from waypost.interfaces.interface import interface_digest
from waypost.texts.canonical_yaml import canonical_yaml, flat
from waypost.texts.scalars import Written, core, plain, text_of, unwritten, yaml_1_1
from waypost.texts.yaml_text import read_argument, read_yaml

TEXTS = (
    *("NO", "no", "on", "off", "y", "Yes", "007", "0o17"),
    *("017", "1.10", "1.0", "12:30:00", "1_000", "0x1F", "0b11", "1e-5"),
    *("1e3", ".5", "+7", ".inf", ".NaN", "True", "FALSE", "2018-01-31"),
    *("2018-01-31T12:00:00Z", "Z", "=", "<<", "1.2.3", "-"),
)


def argument(given: str, kind: str, *, on_the_command_line: bool = False) -> Any:
    """Returns what a parameter of a type gets for a value in params.yaml or on the command line."""
    if on_the_command_line:
        return planned(merged([("params.yaml", "v: x\n")], [f"v={given}"]), kind, "'${v}'")
    return planned(merged([("params.yaml", f"v: {given}\n")], []), kind, "'${v}'")


def planned(parameters: Parameters, kind: str, given: str, **more: Any) -> Any:
    """Returns the argument that a step gets for what stands in its `with`."""
    text = f"name: p\ncomponents: {{a: {{path: a}}}}\nsteps: {{s: {{uses: a/b, with: {{v: {given}}}}}}}\n"
    main = {"parameters": {"v": {"type": kind, **more}}, "command": "c {v}"}
    contract = Component.model_validate({"name": "b", "entry_points": {"main": main}})
    plan, findings = make_plan(parse_pipeline(text), parameters, lambda _: contract)
    if findings:
        raise FindingsError(findings)
    assert plan is not None
    return plan.steps[0].arguments.get("v")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("on_the_command_line", [False, True])
def test_a_text_is_what_was_written(text: str, on_the_command_line: bool) -> None:
    """A parameter of type string gets the very characters, from a file and from the command line."""
    if text == "-" and not on_the_command_line:
        text = "'-'"  # a list, in a file
    assert argument(text, "string", on_the_command_line=on_the_command_line) == text.strip("'")


@pytest.mark.parametrize(
    "text",
    [
        "#",
        "x #y",
        "&x",
        "*x",
        ">5",
        "|",
        "@a",
        "%d",
        "`x",
        "- a",
        "a: b",
        "a:",
        "~",
        "",
        " x",
        "---",
        "?",
        ",",
        "]",
    ],
)
def test_a_command_line_has_no_yaml_but_in_brackets_and_quotes(text: str) -> None:
    """What means something in a YAML file only is a text on the command line."""
    assert argument(text, "string", on_the_command_line=True) == text


@pytest.mark.parametrize("text", ['"NO"', "'007'", "!!str 1.10", '"a: b"', "'~'", '"null"'])
def test_quotes_are_yamls(text: str) -> None:
    """A value in quotes of its own is the text between them."""
    assert argument(text, "string", on_the_command_line=True) == yaml.safe_load(text)


def test_null_on_the_command_line() -> None:
    """`null` for a text is told, since it may mean either; a number or a path is not given then."""
    with pytest.raises(FindingsError, match="null may mean the text or no value"):
        argument("null", "string", on_the_command_line=True)
    for kind in ("int", "path", "uri"):
        assert planned(merged([("params.yaml", "v: 1")], ["v=null"]), kind, "'${v}'", default="1") == "1"
        assert planned(merged([("params.yaml", "v: 1")], ["v="]), kind, "'${v}'", default="1") == "1"
    for text in ("null", "~", "!!null", ""):
        assert planned(merged([("params.yaml", f"v: {text}")], []), "string", "'${v}'", default="d") == "d"
    assert planned(merged([("params.yaml", "v: 1")], ["v=!!null"]), "string", "'${v}'", default="d") == "d"


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_the_pipeline_and_of_contracts(text: str) -> None:
    """Arguments in pipeline.yaml, defaults and choices of a contract are what was written, too."""
    if text == "-":
        return
    assert planned(merged([], []), "string", text) == text
    entry = f"{{command: c, parameters: {{v: {{default: {text}, choices: [{text}]}}}}}}"
    contract = parse_component(f"name: b\nentry_points: {{main: {entry}}}\n", "b/MLproject")
    found = contract.entry_points["main"].parameters["v"]
    assert (text_of(found.default), *map(text_of, found.choices)) == (text, text)


@pytest.mark.parametrize("version", ["1.10", "2", "2.0", "0123456789", "1e5"])
def test_a_version_is_a_text(version: str) -> None:
    """A version without quotes is the one that was written."""
    text = f"name: p\ncomponents: {{c: {{git: ../c.git, version: {version}}}}}\nsteps: {{s: {{uses: c/a}}}}\n"
    assert parse_pipeline(text).components["c"].version == version


def test_texts_within_texts() -> None:
    """A reference within a text stands there as the value was written."""
    parameters = merged(
        [("params.yaml", "v: 1.10\nt: TRUE\nf: false\nn: 0x1F\nm: v${v}-${t}-${f}-${n}\n")], ["+w=007"]
    )
    assert parameters.plain()["m"] == "v1.10-TRUE-false-0x1F"
    assert parameters.resolved("w${w}", "here") == "w007"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("007", "int", "7"),
        ("0x1F", "int", "31"),
        ("0o17", "int", "15"),
        ("1_000", "int", "1000"),
        ("1e3", "int", "1000"),
        ("+7", "int", "7"),
        ("1e-5", "float", "1e-05"),
        ("1.10", "float", "1.1"),
        (".inf", "float", "inf"),
        ("0x1F", "float", "31.0"),
        ("NO", "bool", "false"),
        ("on", "bool", "true"),
        ("True", "bool", "true"),
        ("0", "bool", "false"),
        ("007", "path", "007"),
        ("1.10", "uri", "1.10"),
    ],
)
@pytest.mark.parametrize("on_the_command_line", [False, True])
def test_other_types_get_their_value(text: str, kind: str, value: str, on_the_command_line: bool) -> None:
    """A number is a number however it is written, and the same in a file and on the command line."""
    assert str(argument(text, kind, on_the_command_line=on_the_command_line)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        *(
            (text, text)
            for text in (
                "nUll",
                "yes",
                "No",
                "tRUE",
                "1_0",
                "1:30",
                "0b1",
                "0O7",
                "1.e",
                "e5",
                "-",
                ".",
                "+",
                "-0x1",
                "0x",
                "++1",
                ".e1",
                "inf",
                "nan",
                "-.nan",
                "１",
            )
        ),
        ("-0", 0),
        ("+12", 12),
        ("0o7", 7),
        ("0xfF", 255),
        ("08", 8),
        ("1.", 1.0),
        ("-.5", -0.5),
        ("1E+2", 100.0),
        ("0e0", 0.0),
        ("-.Inf", -math.inf),
        ("+.INF", math.inf),
    ],
)
def test_the_core_schema(text: str, value: Any) -> None:
    """https://yaml.org/spec/1.2.2/#103-core-schema."""
    assert plain(text) == value
    assert type(plain(text)) is type(value)


def test_numbers_in_mappings_stay_numbers() -> None:
    """Where a mapping becomes a file, or a parameter is recorded, a number is its value."""
    parameters = merged([("params.yaml", "m: {rate: 1e-5, n: 0x10, t: NO, v: '1e-5'}\n")], ["m.n=007"])
    content = {"rate": 1e-5, "n": 7, "t": "NO", "v": "1e-5"}
    assert parameters.plain() == {"m": content}
    found = planned(parameters, "path", "'${m}'")
    assert isinstance(found, Inline)
    assert yaml.safe_load(found.text) == read_yaml(found.text, "file") == content
    assert flat(parameters.plain()) == {"m.rate": "1.0e-05", "m.n": "7", "m.t": "'NO'", "m.v": "'1e-5'"}


@pytest.mark.parametrize(
    "text", ["1e-5", "0o17", "1e3", "NO", "007", "~", "1.10", "1_000", "=", "<<", "two\nlines", "1e5\n"]
)
def test_what_is_written_is_a_text_for_any_reader(text: str) -> None:
    """A canonical YAML text means the same by YAML 1.1 and 1.2."""
    for flow in (False, True):
        line = canonical_yaml({"a": text}, flow=flow)
        assert yaml.safe_load(line) == read_yaml(line, "file") == {"a": text}


def test_keys_are_values() -> None:
    """A key that is a number is that number; what YAML 1.1 took for a boolean is a text."""
    assert read_yaml("{007: a, on: b, 1.10: c, true: d}", "f", as_written=True) == {
        7: "a",
        "on": "b",
        1.1: "c",
        True: "d",
    }


def test_a_wrong_notation_is_told_with_the_way_to_write_it() -> None:
    """Brackets and quotes that do not close, or a tag: the finding says how a text is given."""
    for text in ("[a", "{a: b", '"a', "!x y"):
        with pytest.raises(FindingsError, match="quote a text that begins like this"):
            read_argument(text, "here")


def test_digests_of_1_0_0() -> None:
    """What 1.0.0 took a contract's defaults for is still known: its locks hold a digest of that."""
    head = "name: b\nentry_points: {main: {command: c, parameters: {v: {type: string, default: "
    old = parse_component(f"{head}NO}}}}}}}}\n", "f", yaml_1_1)
    assert old.entry_points["main"].parameters["v"] == Parameter(type="string", default=False)
    assert interface_digest(old) != interface_digest(parse_component(f"{head}NO}}}}}}}}\n", "f"))
    for default in ("true", "42", "0.3", "random", "/dev/null", "''"):
        text = f"{head}{default}}}}}}}}}\n"
        assert interface_digest(parse_component(text, "f", yaml_1_1)) == interface_digest(
            parse_component(text, "f", core)
        )


def test_unwritten_shares_what_aliases_share() -> None:
    """A tree without its texts is no larger than the one with them."""
    tree = read_yaml("a: &a [007]\nb: [*a, *a]\n", "f", as_written=True)
    assert tree["a"] == [Written(7, "007")]
    made = unwritten(tree)
    assert made == {"a": [7], "b": [[7], [7]]}
    assert made["a"] is made["b"][0] is made["b"][1]
