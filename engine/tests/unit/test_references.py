"""References between parameters: what they stand for, how much that may be, and that secrets stay sealed."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest

from waypost.contracts.interpolation import Interpolation
from waypost.contracts.parameters import Parameters, merged
from waypost.errors import FindingsError
from waypost.texts.canonical_yaml import canonical_yaml, flat
from waypost.texts.limits import Limits
from waypost.texts.scalars import Written
from waypost.texts.sealed import Sealed, Variables, opened, variables_in

SECRET = "s3cr3t o'mine"
VARIABLES = Variables(frozenset({"TOKEN", "PORT", "GONE"}), {"TOKEN": SECRET, "PORT": "8080"})


def of(text: str, *overrides: str, variables: Variables = VARIABLES) -> Parameters:
    return merged([("params.yaml", text)], overrides, variables)


def told(parameters: Parameters) -> list[str]:
    return [str(finding) for finding in parameters.findings]


@pytest.mark.parametrize(
    ("text", "a"),
    [
        ("a: ${b}\nb: 1", 1),
        ("a: ${ b.c }\nb: {c: [1, {d: x}]}", [1, {"d": "x"}]),
        ("a: ${b.c[1].d} and ${b.c.0}\nb: {c: [1, {d: x}]}", "x and 1"),
        ("a: ${b.${c}}\nb: {k: 9}\nc: k", 9),
        ("a: ${b.c}\nb: ${d}\nd: {c: '${e}'}\ne: 7", 7),
        (
            "a: {b: '${.c}', c: {d: '${..c.e}', e: '${...f}'}}\nf: 2",
            {"b": {"d": 2, "e": 2}, "c": {"d": 2, "e": 2}},
        ),
        ("a: x${b}y\nb: null", "xnully"),
        ("a: x${b}\nb: true", "xtrue"),
        ("a: ${b}\nb: null", None),
        ("a: ${1}${2.x}\n1: x\n2: {x: y}", "xy"),
        ("a: ${b-c}\nb-c: 1", 1),
        (r"a: \${b}", "${b}"),
        (r"a: x\\${b}\ n" + "\nb: 1", r"x\1\ n"),
        (r"a: \\\${b}", r"\${b}"),
        ("a: $b {c} } $ ${d}}\nd: 1", "$b {c} } $ 1}"),
        ("a: '${b}{${b}}'\nb: 1", "1{1}"),
        ("a: x${b}\nb: {k: [1]}", "x{'k': [1]}"),
    ],
)
def test_what_references_stand_for(text: str, a: Any) -> None:
    """The notation is OmegaConf's: whole values keep their kind, in a text they stand as written."""
    assert of(text).plain()["a"] == a


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("m: {a: '${b}'}\nc: 1", "params.yaml: m.a: no parameter 'b'; known: c, m.a"),
        ("m: {a: '${c.d}'}\nc: 1", "params.yaml: m.a: no parameter 'c.d'; known: c, m.a"),
        ("a: ${b}\nb: ${a}", "params.yaml: b: it refers to itself"),
        ("a: ${a}", "params.yaml: a: it refers to itself"),
        ("a: {b: '${a}'}", "params.yaml: a.b: it refers to itself"),
        ("a: ${a.b}", "params.yaml: a: it refers to itself"),
        (
            "a: ${b",
            "params.yaml: a: '${b': a ${ without a closing }; write a literal ${ as \\${",
        ),
        ("a: ${}", "params.yaml: a: ${} names no parameter"),
        ("a: '${b..c}'", "params.yaml: a: ${b..c} names no parameter"),
        ("a: ${..b}", "params.yaml: a: ${..b} points outside the parameters"),
        ("a: '${b}'\nb: ???", "params.yaml: a: b has no value yet; set it: b=…"),
        (
            "a: ${oc.decode:x}",
            "params.yaml: a: ${oc.decode:…}: the only resolver is ${oc.env:NAME}; write a literal ${ as \\${",
        ),
        (
            "a: ${b.${c}}\nb: {k: 1}\nc: [k]",
            "params.yaml: a: a variable, a list or a mapping cannot be part of a reference",
        ),
        ("a: ${oc.env:HOME}", "params.yaml: a: the environment variable HOME is not declared; declare it in"),
        ("a: ${oc.env:GONE}", "params.yaml: a: the environment variable GONE is not set"),
        ("a: '${oc.env:A B}'", "params.yaml: a: 'A B' is not the name of an environment variable"),
        (
            "a: ${b.${oc.env:TOKEN}}",
            "params.yaml: a: a variable, a list or a mapping cannot be part of a reference",
        ),
        (
            "a: 'x${b}'\nb: ['${oc.env:TOKEN}']",
            "params.yaml: a: a list or mapping with a variable cannot",
        ),
    ],
)
def test_references_that_are_refused(text: str, finding: str) -> None:
    """Each is one finding that names the key and what is wrong."""
    (found,) = told(of(text))
    assert found.startswith(finding)


@pytest.mark.parametrize(
    "resolver",
    [
        "oc.create",
        "oc.decode",
        "oc.deprecated",
        "oc.dict.keys",
        "oc.dict.values",
        "oc.select",
        "oc.envy",
        "x",
    ],
)
def test_resolvers_are_off(resolver: str) -> None:
    """Whatever the name, with or without arguments, in a text, within another reference."""
    for text in (
        f"${{{resolver}:b}}",
        f"${{ {resolver}: }}",
        f"x${{{resolver}:b,c}}",
        f"${{c.${{{resolver}:b}}}}",
    ):
        (found,) = told(merged([("params.yaml", canonical_yaml({"a": text}))], []))
        assert f"${{{resolver}:…}}: the only resolver is" in found


def test_every_wrong_reference_is_told_once() -> None:
    """What refers to a wrong parameter says nothing of its own; all that is wrong is told at once."""
    parameters = of("a: ${nope}\nb: ${a}\nc: [x, '${b}', '${oc.env:HOME}']\nd: 1")
    assert [text.partition(": the")[0].partition(": no")[0] for text in told(parameters)] == [
        "params.yaml: a",
        "params.yaml: c.2",
    ]
    with pytest.raises(FindingsError) as caught:
        parameters.resolved({"x": "${b}"}, "pipeline.yaml: steps.x.with.y")
    assert caught.value.findings == parameters.findings
    assert parameters.resolved("${d}", "here") == 1


def test_the_place_is_where_it_stands() -> None:
    """The finding names the file that set the value, or the command line."""
    texts = [("params.yaml", "a: 1\nb: {c: 1, d: '${x}'}\n"), ("more.yaml", "b: {c: '${y}'}\n")]
    parameters = merged(texts, ["a=${oc.env:HOME}"])
    assert sorted(finding.place for finding in parameters.findings) == [
        "command line: a",
        "more.yaml: b.c",
        "params.yaml: b.d",
    ]
    texts = [("params.yaml", "m: {a: 1, b: '${x}'}\nt: ${m}\n"), ("more.yaml", "t: {a: 5}\nm: {7: '${y}'}\n")]
    assert sorted(finding.place for finding in merged(texts, []).findings) == [
        "more.yaml: m.7",
        "params.yaml: m.b",
        "params.yaml: t.b",
    ]


def laughs(levels: int, form: str = "'{0}{0}{0}{0}{0}{0}{0}{0}{0}{0}'") -> str:
    lines = ["l0: xxxxxxxxxx"]
    return "\n".join([*lines, *(f"l{n}: {form.format(f'${{l{n - 1}}}')}" for n in range(1, levels))])


def test_what_references_mean_is_known_before_it_is_made() -> None:
    """Some hundred bytes that stand for gigabytes are refused within a second, and the key is named."""
    began = time.process_time()
    (found,) = told(of(laughs(90)))
    assert found.startswith("params.yaml: l6: with its references, it is more than 4,000,000 characters")
    lists = "[{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]"
    (found,) = told(of(laughs(90, lists.replace("{0}", "'{0}'"))))
    assert found.startswith("params.yaml: l5: with its references, it is more than 100,000 values")
    nested = laughs(90, "['{0}']") + "\n" + "m: " + "[" * 60 + "'${l60}'" + "]" * 60
    assert "levels deep" in told(of(nested))[0]
    assert "levels deep" in told(of("a: '" + "${" * 5_000 + "}" * 5_000 + "'"))[0]
    chain = "\n".join(f"c{n}: ${{c{n + 1}}}" for n in range(2_000)) + "\nc2000: 1"
    assert told(of(chain))
    many = "b: x\na: '" + "${b}" * 200_000 + "'"
    assert told(of(many)) == ["params.yaml: a: more than 10,000 references up to here"]
    many = "b: x\na: [" + "'${b}', " * 20_000 + "]"
    assert told(of(many)) == ["params.yaml: a.10000: more than 10,000 references up to here"]
    assert time.process_time() - began < 5


def test_values_of_steps_are_counted_together() -> None:
    """Many steps that each refer to a large list are a large text, too."""
    parameters = of("big: [" + "x, " * 40_000 + "]\n")
    assert len(parameters.resolved("${big}", "one")) == 40_000
    parameters.resolved("${big}", "two")
    with pytest.raises(
        FindingsError, match="three: together with the values before it, it has more than 100,000 values"
    ):
        parameters.resolved("${big}", "three")


def test_sealed_values() -> None:
    """Of a declared variable a parameter has the name, whatever is done with it; `opened` gives the value."""
    parameters = of("a: ${oc.env:TOKEN}\nb: 'https://${a}@host:${oc.env:PORT}'\nc: [1, {d: '${b}'}]\n")
    content = parameters.plain()
    shown = "https://${oc.env:TOKEN}@host:${oc.env:PORT}"
    assert content["b"] == shown
    assert isinstance(content["b"], Sealed)
    assert variables_in(content["c"]) == {"TOKEN", "PORT"}
    assert opened(content["c"], VARIABLES.values or {}) == [1, {"d": f"https://{SECRET}@host:8080"}]
    everything = [
        repr(content),
        str(content),
        json.dumps(content),
        canonical_yaml(content),
        str(flat(content)),
    ]
    everything += [repr(parameters.variables), f"{content['b']!s:>80}", str(copy.deepcopy(content))]
    assert not any(SECRET in text for text in everything)
    assert opened(copy.deepcopy(content["b"]), VARIABLES.values or {}) == f"https://{SECRET}@host:8080"


def test_defaults_of_variables() -> None:
    """A default counts where the variable is not set; it is no secret. `null` means not given."""
    text = (
        "a: ${oc.env:GONE,x, y}\nb: ${oc.env:TOKEN,x}\nc: ${oc.env:GONE,null}\nd: \"${oc.env:GONE,'q '}\"\n"
    )
    text += "e: ${oc.env:GONE,${f}}\nf: 3\ng: '${oc.env:GONE,}'\n"
    assert of("a: '${oc.env:GONE,http://x}'").plain() == {"a": "http://x"}
    content = of(text).plain()
    assert content == {"a": "x, y", "b": "${oc.env:TOKEN}", "c": None, "d": "q ", "e": "3", "f": 3, "g": ""}
    assert not any(isinstance(content[key], Sealed) for key in "acdefg")


def test_where_nothing_runs_variables_need_no_value() -> None:
    """To lock or to release, a variable has to be declared; it need not be set."""
    parameters = of("a: ${oc.env:TOKEN}\n", variables=Variables(frozenset({"TOKEN"})))
    assert parameters.plain() == {"a": "${oc.env:TOKEN}"}
    assert told(of("a: ${oc.env:TOKEN}\n", variables=Variables()))


def test_escaped_text_is_no_variable() -> None:
    """A text that only looks like a variable is not opened."""
    content = of(r"a: \${oc.env:TOKEN}").plain()
    assert opened(content, VARIABLES.values or {}) == {"a": "${oc.env:TOKEN}"}


def test_merging_onto_a_reference() -> None:
    """A mapping on top of a reference is merged with what that refers to; a value replaces it."""
    texts = [("params.yaml", "m: {a: 1, b: {c: 2}}\nt: ${m}\nu: ${m}\n"), ("more.yaml", "t: {a: 5}\nu: 3\n")]
    assert merged(texts, []).plain() == {
        "m": {"a": 1, "b": {"c": 2}},
        "t": {"a": 5, "b": {"c": 2}},
        "u": 3,
    }
    texts = [("params.yaml", "m: {a: 1}\nt: 'x${m}'\n"), ("more.yaml", "t: {b: 1}\n")]
    assert merged(texts, []).plain()["t"] == {"b": 1}


def test_overrides_keep_to_the_limits() -> None:
    """A value on the command line is read like a file: deep, repeated, broken ones are one finding."""
    deep = "[" * 600 + "]" * 600
    with pytest.raises(FindingsError) as caught:
        of("a: 1", f"a={deep}", "a=[&x 1, *y]", "a=!!python/none x", "a='")
    places = [finding.place for finding in caught.value.findings]
    assert places[1:] == [
        "command line: a=[&x 1, *y]",
        "command line: a=!!python/none x",
        "command line: a='",
    ]
    assert len(places[0]) < 80
    assert told(of("a: 1", f"+{'b.' * 99}b=1")) == []
    with pytest.raises(FindingsError, match="a key of more than 100 names"):
        of("a: 1", f"+{'a.' * 5_000}b=1")
    with pytest.raises(FindingsError, match="a key of more than 100 names"):
        of(f"$replace: [{'a.' * 400}b]")


def test_the_nearest_names_are_looked_for_ten_times() -> None:
    """Of many wrong references the first ten are told with the name that was meant: that takes time."""
    wrong = "".join(f"k{i}: ${{depht}}\n" for i in range(12))
    hints = ["did you mean" in line for line in told(of(f"depth: 1\n{wrong}"))]
    assert (len(hints), sum(hints)) == (12, 10)


@pytest.mark.parametrize(
    ("default", "value"),
    [("'x'", "x"), ('"x"', "x"), ("''", ""), ("'", "'"), ("'x\"", "'x\""), ("x", "x")],
)
def test_quotes_around_a_default(default: str, value: str) -> None:
    """A pair of quotes is no part of the text; one alone is."""
    text = json.dumps(f"${{oc.env:GONE,{default}}}")
    assert of(f"a: {text}").plain()["a"] == value


def small(tree: dict[str, Any], limits: Limits) -> tuple[Any, list[str]]:
    """Returns a tree resolved within limits, and what is wrong in it."""
    found = Interpolation(tree, VARIABLES, lambda path: ".".join(map(str, path)), limits)
    return found.whole(), [f"{finding.place}: {finding.problem}" for finding in found.findings]


@pytest.mark.parametrize(
    ("values", "is_fine"),
    [
        (["${c1}", "${c2}", "${c3}", "${c4}", 1], True),
        (["${c1}", "${c2}", "${c3}", "${c4}", "${c5}", 1], False),
        (["${c1}", "${c2}", "${c3}", "${c4}", "${oc.env:TOKEN}"], True),
        (["${c1}", "${c2}", "${b.${k}}"], True),
        (["${c1}", "${c2}", "${c3}", "${b.${k}}"], False),
    ],
)
def test_as_deep_as_the_limit_says(values: list[Any], *, is_fine: bool) -> None:
    """A chain of references, and references within references, may be as deep as the limit, and no deeper."""
    tree = {**{f"c{n}": value for n, value in enumerate(values)}, "k": "x", "b": {"x": 5}}
    _, wrong = small(tree, Limits(depth=5))
    assert len(wrong) == (0 if is_fine else 1)
    assert all("levels deep" in text for text in wrong)


def test_a_place_behind_references_is_as_deep_as_they_are() -> None:
    """What is followed on the way to a place counts, even where the place itself is known already."""
    chain = {f"c{n}": f"${{c{n + 1}}}" for n in range(4)}
    _, wrong = small({"m": {"b": [1]}, "a": "${m}", **chain, "c4": "${a.b}"}, Limits(depth=5))
    assert len(wrong) == 1


@pytest.mark.parametrize(("depth", "found"), [(3, 1), (2, None)])
def test_as_many_hops_as_the_limit_says(depth: int, found: int | None) -> None:
    """A place is looked for through so many references, and no more."""
    tree = {"a0": "${a1}", "a1": "${a2}", "a2": "${m}", "m": {"b": 1}}
    interpolation = Interpolation(tree, VARIABLES, str, Limits(depth=depth))
    assert interpolation.target("${a0.b}") == found


@pytest.mark.parametrize("text", ["${m.${l}}", "${a.c}"])
def test_targets_are_as_deep_as_the_limit_says(text: str) -> None:
    """To look for what a reference names begins at depth 0, and each reference on the way is one deeper."""
    tree = {"a": "${m.${k}}", "m": {"b": {"c": 5}}, "k": "b", "l": "${k}"}
    assert Interpolation(tree, VARIABLES, str, Limits(depth=3)).target(text) in (5, {"c": 5})


@pytest.mark.parametrize(
    ("text", "characters"),
    [("${oc.env:TOKEN}", 15), ("${oc.env:GONE,null}", 4), ("${oc.env:GONE,x}", 1), ("${oc.env:GONE,'x'}", 3)],
)
def test_how_much_a_variable_is(text: str, characters: int) -> None:
    """A variable is one value, as long as its reference; a default is as long as it is written."""
    tree = {"a": text}
    assert small(tree, Limits(values=3, characters=1 + characters))[1] == []
    assert len(small(tree, Limits(values=2))[1]) == 1
    assert len(small(tree, Limits(characters=characters))[1]) == 1


@pytest.mark.parametrize("text", ["${m}x", "x${m}", "${oc.env:TOKEN}"])
def test_only_what_is_one_reference_is_followed(text: str) -> None:
    """A text with a reference in it, or a variable, has nothing below it."""
    tree = {"m": {"k": 1}, "oc": {"env:TOKEN": {"k": 1}}, "a": text, "b": "${a.k}"}
    assert "b: no parameter 'a.k'" in small(tree, Limits())[1]


def test_too_much_altogether_is_told_of_the_file() -> None:
    """What is wrong with the whole names no key."""
    tens = "".join(f"l{n}: [{', '.join([f'${{l{n - 1}}}'] * 10)}]\n" for n in range(1, 5)).replace(
        "${", "'${"
    )
    text = "l0: x\n" + tens.replace("}", "}'") + "".join(f"e{n}: ${{l4}}\n" for n in range(9))
    assert told(of(text)) == ["params.yaml: with its references, it is more than 100,000 values"]


def test_keys_that_are_replaced_or_added_below_others() -> None:
    """$replace leaves what lies beside its key; what is no mapping on the way becomes one."""
    texts = [("p", "a: {b: {x: 1}, c: 2}\nd: 1\n"), ("m", "$replace: [a.b, d.e]\na: {b: {y: 1}}\n")]
    assert merged(texts, []).plain() == {"a": {"b": {"y": 1}, "c": 2}, "d": {"e": {}}}
    assert of("m: {n: 1}", "[m][n]=5", "+.a=1").plain() == {"m": {"n": 5}, ".a": 1}


@pytest.mark.parametrize(
    ("tree", "values", "characters"),
    [
        ({"a": "xy"}, 3, 3),
        ({"a": 12}, 3, 3),
        ({"a": True}, 3, 5),
        ({"a": Written(1.5, "1.50")}, 3, 5),
        ({"a": [1, [23]], "bc": {}}, 8, 6),
        ({"a": "xyz", "b": "${a}${a}!"}, 5, 12),
    ],
)
def test_how_much_a_tree_is(tree: dict[str, Any], values: int, characters: int) -> None:
    """Keys, members, lists and mappings count, each once; texts by their characters, as they are written."""
    assert small(tree, Limits(values=values, characters=characters))[1] == []
    assert len(small(tree, Limits(values=values - 1))[1]) == 1
    assert len(small(tree, Limits(characters=characters - 1))[1]) == 1


def test_a_tree_may_be_as_high_as_the_limit_says() -> None:
    """What a reference stands for counts with what is around it."""
    tree = {"a": [[1]], "b": ["${a}"]}
    assert small(tree, Limits(depth=4))[1] == []
    assert len(small(tree, Limits(depth=3))[1]) == 1


def test_as_many_references_as_the_limit_says() -> None:
    """They are counted over the whole tree; the first one that is too many is told, and no other."""
    tree = {"m": 1, **{f"a{n}": "${m}" for n in range(5)}}
    assert small({**tree, "b": "${m}${m}"}, Limits(references=7))[1] == []
    assert small(tree, Limits(references=3))[1] == ["a3: more than 3 references up to here"]
    assert small({"m": 1, "a": "${m}${m}"}, Limits(references=2))[1] == []


def test_values_of_others_count_up_to_the_limit() -> None:
    """What is given to steps is counted together: as many as the limit says, and not one more."""
    found = Interpolation({"m": [1, 2]}, VARIABLES, str, Limits(values=7))
    assert found.value("${m}", "one") == ([1, 2], True)
    assert found.value("${m}", "two") == ([1, 2], True)
    assert found.value(1, "three") == (1, True)
    assert found.value(1, "four") == (None, False)
