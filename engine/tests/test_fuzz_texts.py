"""Mutated texts: files, contracts, locks, overrides and commands end as values or findings."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fuzzing import CASES, fuzz
from waypost.contracts.checks import entry_point_problems
from waypost.contracts.command import command_problems, filled, python_command
from waypost.contracts.component import parse_component
from waypost.contracts.lock import parse_lock
from waypost.contracts.mlmodel import parse_mlmodel
from waypost.contracts.parameters import merged
from waypost.contracts.pipeline import parse_pipeline
from waypost.contracts.planning import make_plan
from waypost.contracts.python_env import PythonEnv
from waypost.contracts.sweep import points
from waypost.errors import FindingsError, WaypostError
from waypost.interfaces.record import Record, RunRecord, Yank, parse_record
from waypost.texts.canonical_yaml import canonical_yaml, flat
from waypost.texts.parsing import load_mapping, parse
from waypost.texts.sealed import Variables

CONTRACT = """name: load
python_env: python_env.yaml
shared: [kit, environment]
entry_points:
  main:
    parameters:
      data: {type: path}
      url: {type: string, format: uri, default: 'https://example.org/a.csv'}
      depth: {type: int, default: 3, minimum: 1, maximum: 1e3, choices: [1, 2, 3]}
      share: {type: float, default: 0.5}
      flag: bool
    outputs: {model: {path: model, description: 'what it learned'}}
    metrics: {mape: how far off}
    command: "PYTHONPATH=.. python run.py --data {data} --depth {depth!r} --share {share:>5} {{flag}} {flag}"
"""
PARAMETERS = """base: &base {x: 1, y: [a, b, ~], z: 1.5e-3}
merged: {<<: *base, y: '${base.y}'}
text: 'x-${merged.x}-${oc.env:TOKEN,none} \\${as it is}'
deep: {a: {b: {c: '${.d}', d: 0x1F}}}
when: 2024-02-29
again: [*base, *base, '${deep.a}']
"""
PIPELINE = """name: small
tracking: [mlflow]
variables: [TOKEN]
components: {core: {git: 'https://example.org/core.git', version: ~=1.0, path: core, hold: [load]}}
steps:
  one: {uses: core/load, with: {data: '${text}', depth: 3, flag: true, url: '${oc.env:TOKEN}'}}
  two: {uses: core/load@~=1.1, with: {data: '${steps.one.outputs.model}', flag: false}, after: [one],
        limits: {minutes: 1, memory_mb: 5}}
"""
MLMODEL = """flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}
  sklearn: {pickled_model: model.skops, serialization_format: skops, code: null}
signature: {inputs: '[{"name": "a", "type": "double", "required": true}]', outputs: '[{"type": "long"}]'}
metadata: {target: y}
run_id: a123
"""
LOCK = json.dumps(
    {
        "schema": 1,
        "engine": "1.0.0",
        "requirements": "sha256:0",
        "digest": "sha256:1",
        "components": {"core/load": {"git": "x", "tag": "v1", "shared": {"kit": "0"}, "tree": "0"}},
    }
)
RECORD = json.dumps(
    {
        "schema": 1,
        "kind": "components",
        "version": "1.0.0",
        "commit": "0" * 40,
        "metrics": {"a": {"b": 0.5}},
        "outputs": {"a": {"b": "0"}},
        "signature": {"inputs": [{"name": "a", "type": "double"}]},
    }
)
VARIABLES = Variables(frozenset({"TOKEN"}), {"TOKEN": "secret"})
# What changes more than a byte would: markers of YAML, JSON, references and templates, and large numbers.
_PIECES = r"""&a *a &b [*a,*a] <<: !!int !!binary !x | > --- ... ? : - # % @ ` ' " [ ] { } , ~ null NaN
${ } ${a} ${.b} ${..c} ${oc.env:TOKEN} ${oc.decode:x} \ \${ {0} {a!r} {a.b} {a:>9} {{ }} \u0000 \ud800
Infinity 1e999 -0 0x 0o7 1_0 .inf 1:2 2024-13-41 ??? 99999999999999999999 true no é"""


def mutated(text: str, chance: random.Random) -> str:
    """Returns a text with some places changed: pieces put in, cut out, repeated, swapped, nested."""
    for _ in range(chance.choice((1, 1, 2, 3, 8, 30))):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 1, 1, 3, 20, 200)))
        part = text[start:end]
        match chance.randrange(6):
            case 0:
                part = ""
            case 1:
                part *= chance.choice((2, 10, 300))
            case 2:
                part = chance.choice(_PIECES.split()) * chance.choice((1, 1, 2, 50, 700))
            case 3:
                other = chance.randrange(len(text) + 1)
                part = text[other : other + chance.choice((1, 10, 100))]
            case 4:
                pair = chance.choice(("[]", "{}", '""', "''"))
                part = pair[0] * chance.choice((1, 90, 600)) + part + pair[1] * chance.choice((1, 90, 600))
            case _:
                part = (
                    chr(chance.choice((0, 9, 10, 13, 32, 127, 255, 0x2028, 0xD800, 0xDCFF, 0xFEFF, 0x1F600)))
                    + part
                )
        text = text[:start] + part + text[end:]
        if len(text) > 300_000:
            break
    return text


def _contract(text: str) -> None:
    component = parse_component(text, "load/MLproject")
    for entry_point in component.entry_points.values():
        entry_point_problems(entry_point)


def _parameters(text: str) -> None:
    parameters = merged([("params.yaml", PARAMETERS), ("more.yaml", text)], [], VARIABLES)
    flat(parameters.content)
    canonical_yaml(parameters.plain())


def _plan(text: str) -> None:
    pipeline = parse_pipeline(text)
    contract = parse_component(CONTRACT, "load/MLproject")
    _, findings = make_plan(
        pipeline, merged([("params.yaml", PARAMETERS)], [], VARIABLES), lambda _: contract
    )
    if findings:
        raise FindingsError(findings)


def _override(text: str) -> None:
    for override in text.split("\n"):
        merged([("params.yaml", PARAMETERS)], [override], VARIABLES)
        points([override])


def _command(text: str) -> None:
    values = {"data": "'a b'", "depth": "3", "share": "", "flag": "true"}
    if not command_problems(text, values):
        assert filled(text, values) == text.format(**values)
        python_command(text, values)


def _sources(text: str) -> None:
    parse(PythonEnv, load_mapping(text, "python_env.yaml"), "python_env.yaml")


def _records(text: str) -> None:
    parse_record(Record, text, "1.0.0.json")
    parse_record(RunRecord, text, "1.0.0.json")
    parse_record(Yank, text, "1.0.0.json")


READERS: list[tuple[str, str, Callable[[str], Any]]] = [
    ("contract", CONTRACT, _contract),
    ("parameters", PARAMETERS, _parameters),
    ("plan", PIPELINE, _plan),
    ("model", MLMODEL, lambda text: parse_mlmodel(text, "MLmodel").inputs),
    ("lock", LOCK, lambda text: parse_lock(text, "waypost lock")),
    ("records", RECORD, _records),
    ("overrides", "base.x=[1, {a: b}]\n+new.key=1e-5\ntext='${base.x}'", _override),
    ("command", "python run.py --data {data} --depth {depth!r} {{x}} {share:>5}", _command),
    ("environment", "python: '3.11'\ndependencies: [-r requirements.txt, 'numpy==2']\n", _sources),
]


def attempt(number: int, folder: Path) -> str:
    """Reads one mutated text."""
    chance = random.Random(number)
    name, text, read = READERS[number % len(READERS)]
    try:
        read(mutated(text, chance))
    except WaypostError as error:
        if max(map(len, str(error).splitlines())) > 2_000:
            raise ValueError("a message of thousands of characters") from error
        raise
    return name


@pytest.mark.journey
def test_mutated_texts(tmp_path: Path) -> None:
    """Each ends as a value or a refusal, in time and memory that fit its size; some of each are taken."""
    outcomes = fuzz(__name__, CASES, tmp_path, seconds=10)
    assert sum(outcomes.values()) == CASES
    assert {name for name, _, _ in READERS} - {"lock", "records"} <= set(outcomes)


def test_texts_as_they_are() -> None:
    """The texts that are mutated are right, but for what a lock and a record need besides."""
    for name, text, read in READERS:
        if name not in ("lock", "records"):
            read(text)
