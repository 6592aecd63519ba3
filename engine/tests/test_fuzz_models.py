"""Hostile model folders: each is refused in words, or answers what it is asked."""

from __future__ import annotations

import copy
import functools
import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from tests.fuzzing import CASES, fuzz
from tests.skops_files import array, read
from tests.test_untrusted import HARMLESS
from waypost.contracts.mlmodel import Column
from waypost.inference.compiled import Compiled
from waypost.inference.compiling import compiled_form
from waypost.inference.example import example_rows
from waypost.inference.layout import Layout
from waypost.inference.learned import NotCompilableError
from waypost.inference.loading import load
from waypost.inference.model_cache import ready
from waypost.sources.files import read_mlmodel

# So often the whole way is gone: compiled, compared on thousands of probes, cached.
WHOLE = 250
LARGEST = 100_000  # items of an array that is changed
FOREST = "forest"
MLMODEL = """artifact_path: model
flavors:
  python_function: {env: {conda: conda.yaml}, loader_module: mlflow.sklearn, model_path: model.skops}
  sklearn: {code: null, pickled_model: model.skops, serialization_format: skops, sklearn_version: 1.9.1}
model_id: m-0
saved_input_example_info: {artifact_path: input_example.json, type: dataframe}
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}, {"type": "double", "name": "b",
    "required": true}, {"type": "double", "name": "c", "required": false}]'
  outputs: '[{"type": "long", "required": true}]'
"""
EXAMPLE = '{"columns": ["a", "b", "c"], "data": [[0.1, 0.2, 0.3], [0.5, 0.6, null]]}'
NUMBERS = [0, 1, -1, 2, 3, 7, 255, 2**31 - 1, 2**31, -(2**31), 2**40, -(2**40), 2**63 - 1, 10**30, 0.5, 1e308]
ODD: list[Any] = [
    *NUMBERS,
    None,
    True,
    False,
    "",
    "x",
    "predict",
    [],
    {},
    [[]],
    [0, 2**40],
    float("nan"),
    float("inf"),
]
TEXTS = ["../model.skops", "/etc/passwd", "[" * 2000, "{a: &a [*a]}", "!!python/object:os.system {}", "\x00"]
TEXTS += [
    "é\udcff",
    "- " * 500,
    "? ",
    "<<: *x",
    "1e999",
    "'",
    "skops",
    "cloudpickle",
    "pytorch: {}",
    "code: x",
]
TEXTS += ["\n\n---\n", "null"]
NAMES = ["os.system", "numpy.dtype", "sklearn.tree._tree.Tree", "builtins.map", "numpy.void", "builtins.list"]
NAMES += ["sklearn.cluster._birch.Birch", "sklearn.svm._classes.SVC", "sklearn.pipeline.Pipeline"]
LOADERS = ["ObjectNode", "ListNode", "TreeNode", "FunctionNode", "TypeNode", "JsonNode", "NdArrayNode"]
LOADERS += [
    "LossNode",
    "ConstructorFromReduceNode",
    "MethodNode",
    "SparseMatrixNode",
    "CachedNode",
    "DTypeNode",
]
LOADERS += ["Nonsense"]

Members = dict[str, bytes]


@functools.cache
def bases() -> dict[str, tuple[bytes, Any]]:
    """Returns harmless models, with rows that they answer, by their names."""
    warnings.simplefilter("ignore")
    np.random.seed(0)  # noqa: NPY002 (as scikit-learn draws)
    return {name: (skops.io.dumps(m.fit(rows, y)), rows[:20]) for name, (m, rows, y) in HARMLESS.items()}


def attempt(number: int, folder: Path) -> str:
    """Makes a hostile model folder and asks it; what is refused raises a WaypostError."""
    choose = random.Random(number)
    warnings.simplefilter("ignore")
    name = FOREST if number % WHOLE == 0 else choose.choice([*bases()])
    content, rows = bases()[name]
    model = folder / "model"
    model.mkdir()
    texts = {"MLmodel": MLMODEL, "input_example.json": EXAMPLE}
    kind = choose.choice([*TEXT_EDITS, *["file"] * 8])
    if kind == "file":
        content = changed(content, choose)
    else:
        file = choose.choice([*texts])
        texts[file] = TEXT_EDITS[kind](texts[file], choose)
    for file, text in texts.items():
        (model / file).write_text(text, encoding="utf-8", errors="surrogateescape")
    (model / "model.skops").write_bytes(content)
    if number % WHOLE == 0:
        ready(model)
        return "made ready"
    said = read_mlmodel(model)
    example_rows(model, said.inputs)
    return asked(load(model, said).estimator, name, rows)


def asked(model: Any, name: str, rows: Any) -> str:
    """Asks a model that was not refused, and its compiled form where it has one."""
    if name == FOREST:
        columns = tuple(Column(name=column, type="double") for column in "abc")
        try:
            compiled = Compiled(*compiled_form(model, columns), Layout(columns))
            compiled.evaluate(rows.astype("float32"))
        except (NotCompilableError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            pass  # then the original answers
    try:
        for some in (rows, rows[:1], rows[::-1]):
            model.predict(some)
            getattr(model, "predict_proba", model.predict)(some)
    except Exception:  # what a model raises is told as its own words
        return "not answered"
    return "answered"


# --- texts ---
def cut(text: str, choose: random.Random) -> str:
    return text[: choose.randrange(len(text))]


def replaced(text: str, choose: random.Random) -> str:
    at, until = sorted(choose.randrange(len(text)) for _ in range(2))
    return text[:at] + choose.choice([*TEXTS, *map(str, ODD)]) + text[min(until, at + 20) :]


def value_replaced(text: str, choose: random.Random) -> str:
    places = [i for i in range(len(text) - 1) if text[i : i + 2] == ": "]
    at = choose.choice(places) + 2
    end = min(i for i in (text.find(c, at) for c in ",}\n") if i >= 0)
    return text[:at] + choose.choice([*TEXTS, *(json.dumps(value) for value in ODD)]) + text[end:]


def repeated(text: str, choose: random.Random) -> str:
    at, until = sorted(choose.randrange(len(text)) for _ in range(2))
    return text[:until] + text[at:until] * choose.choice([1, 2, 50]) + text[until:]


TEXT_EDITS: dict[str, Callable[[str, random.Random], str]] = {
    "cut": cut,
    "replaced": replaced,
    "value": value_replaced,
    "repeated": repeated,
}


# --- skops files ---
def changed(content: bytes, choose: random.Random) -> bytes:
    """Returns a skops file with some things changed: bytes of it, its members, its schema, its arrays."""
    if choose.random() < 0.1:
        flipped = bytearray(content)
        for _ in range(choose.choice([1, 3, 30])):
            flipped[choose.randrange(len(flipped))] = choose.randrange(256)
        return bytes(flipped)
    members, schema = read(io.BytesIO(content))
    for _ in range(choose.choice([1, 1, 1, 2, 5])):
        choose.choice(FILE_EDITS)(members, schema, choose)
    out = io.BytesIO()
    method = choose.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("schema.json", json.dumps(schema))
    return out.getvalue()


def dicts(schema: Any) -> list[dict[str, Any]]:
    found, left = [], [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            found.append(part)
            left += part.values()
        elif isinstance(part, list):
            left += part
    return found


def a_value(members: Members, schema: Any, choose: random.Random) -> None:
    """A simple value becomes another one, as a text of JSON."""
    found = [part for part in dicts(schema) if part.get("__loader__") == "JsonNode"]
    if found:
        choose.choice(found)["content"] = json.dumps(choose.choice(ODD))


def a_key(members: Members, schema: Any, choose: random.Random) -> None:
    """A key of a part goes, or gets another value."""
    part = choose.choice(dicts(schema))
    if part:
        key = choose.choice([*part])
        if choose.random() < 0.3:
            del part[key]
        else:
            part[key] = choose.choice(ODD)


def an_attribute(members: Members, schema: Any, choose: random.Random) -> None:
    """An attribute is that of another object, or of no use."""
    found = [
        part["content"]
        for part in dicts(schema)
        if part.get("__loader__") == "DictNode" and part.get("content")
    ]
    if found:
        one, other = choose.choice(found), choose.choice(found)
        if isinstance(one, dict) and isinstance(other, dict) and one and other:
            one[choose.choice([*one])] = copy.deepcopy(other[choose.choice([*other])])


def a_type(members: Members, schema: Any, choose: random.Random) -> None:
    found = [part for part in dicts(schema) if "__loader__" in part]
    part = choose.choice(found or [{}])
    part["__module__"], _, part["__class__"] = choose.choice(NAMES).rpartition(".")
    if choose.random() < 0.5:
        part["__loader__"] = choose.choice(LOADERS)


def a_number(members: Members, schema: Any, choose: random.Random) -> None:
    """A part passes for another one."""
    found = [part for part in dicts(schema) if "__id__" in part]
    one, other = choose.choice(found or [{}]), choose.choice(found or [{"__id__": 0}])
    one["__id__"] = other["__id__"]
    if choose.random() < 0.3:
        for key in [*one]:
            if key != "__id__":
                del one[key]


def an_array(members: Members, choose: random.Random) -> tuple[str, Any]:
    """Returns a member and what it holds, nothing where it was made odd before."""
    name = choose.choice([*members, "new.npy"])
    try:
        values = np.load(io.BytesIO(members.get(name, b"")), allow_pickle=False)
    except (ValueError, EOFError, MemoryError):
        values = np.empty(0)
    return name, values if values.size <= LARGEST else np.empty(0)


def an_item(members: Members, schema: Any, choose: random.Random) -> None:
    """An item of an array, or all of them, become odd."""
    name, values = an_array(members, choose)
    if not values.size:
        return
    values = values.copy()
    fields = values.dtype.names
    part = values[choose.choice(fields)] if fields else values
    place: Any = ... if choose.random() < 0.1 else choose.randrange(values.shape[0]) if values.ndim else ()
    number = choose.choice([*NUMBERS, float("nan"), float("inf"), values.size, values.size - 1, -2])
    with np.errstate(all="ignore"):
        try:
            part[place] = np.asarray(number).astype(part.dtype)
        except (TypeError, ValueError, OverflowError):
            return
    members[name] = array(values)


def a_shape(members: Members, schema: Any, choose: random.Random) -> None:
    """An array gets another shape or type, with bytes to fit or without."""
    name, values = an_array(members, choose)
    match choose.randrange(5):
        case 0:
            made = values.reshape(-1)[: choose.randrange(values.size + 1)]
        case 1:
            made = np.resize(values, choose.choice([(0,), (1,), (3, 1), (1, 3), (100,), (2, 2, 2), ()]))
        case 2:
            made = values.T
        case 3:
            plain = values.dtype.names is None and values.dtype.kind in "biuf"
            made = values.astype(choose.choice(["f4", "i4", "u1", ">f8", "U3"])) if plain else values
        case _:
            made = np.concatenate([values.reshape(-1)] * 2)
    members[name] = array(made)


def a_header(members: Members, schema: Any, choose: random.Random) -> None:
    """An array says that it is another one."""
    if not members:
        return
    name = choose.choice([*members])
    data = members[name]
    length = int.from_bytes(data[8:10], "little")
    kind = choose.choice(["'<f8'", "'|O'", "'<U0'", "'|V99999'", "[('a', '<i8', (1000,))]", "'S1'"])
    shape = choose.choice(["()", "(1,)", "(1099511627776,)", "(-1,)", "(2, 2)", "(0,)", "(1000000, 1000000)"])
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    members[name] = data[:8] + len(header).to_bytes(2, "little") + header + data[10 + length :]


def a_member(members: Members, schema: Any, choose: random.Random) -> None:
    """A member goes, is cut off, or is another one's."""
    if not members:
        return
    name = choose.choice([*members])
    match choose.randrange(4):
        case 0:
            del members[name]
        case 1:
            members[name] = members[name][: choose.randrange(len(members[name]))]
        case 2:
            members[name] = members[choose.choice([*members])]
        case _:
            members[f"../{name}"] = members.pop(name)


FILE_EDITS = [a_value, a_value, a_value, a_key, an_attribute, a_type, a_number, an_item, an_item, an_item]
FILE_EDITS += [a_shape, a_shape, a_header, a_member]


@pytest.mark.journey
@pytest.mark.timeout(900)
def test_hostile_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a model folder holds: no crash, no hang, no write outside, no gigabyte; refused, or asked."""
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "inside" / "home"))
    outcomes = fuzz(__name__, CASES, tmp_path)
    assert outcomes["refused"] > CASES / 3
    assert outcomes["answered"] > CASES / 20
