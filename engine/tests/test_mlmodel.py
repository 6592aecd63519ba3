"""What an MLmodel file may say: each oddity is one line, and no path leaves the model's folder."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import pytest
import sklearn

from waypost.contracts.mlmodel import parse_mlmodel
from waypost.errors import UsageError, WaypostError
from waypost.inference.example import example_rows
from waypost.inference.loading import differing, load
from waypost.sources.files import read_mlmodel

OTHER = "python_function"
SKOPS = "{sklearn: {pickled_model: model.skops, serialization_format: skops}}"


def signed(*columns: Any) -> str:
    return f"flavors: {SKOPS}\nsignature: {{inputs: {json.dumps(json.dumps(columns))}}}"


def test_file_that_is_none_is_told(tmp_path: Path) -> None:
    """No file, a folder, a pipe, too many bytes, another encoding: one line, and nobody waits."""
    file = tmp_path / "MLmodel"
    makers: list[tuple[Any, str]] = [
        (lambda: None, "no MLflow model here"),
        (file.mkdir, "no MLflow model here"),
        (lambda: os.mkfifo(file), "no MLflow model here"),
        (lambda: file.symlink_to("/dev/zero"), "no MLflow model here"),
        (lambda: file.write_bytes(b" " * (16 << 20) + b"a"), "larger than"),
        (lambda: file.write_bytes(b"flavors: \xff"), "cannot be read"),
    ]
    for make, problem in makers:
        make()
        with pytest.raises(UsageError, match=problem):
            read_mlmodel(tmp_path)
        if file.is_dir():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("flavors", "problem"),
    [
        ("{pytorch: {}}", "a model of the flavour pytorch, which may run arbitrary code"),
        ("{sklearn: {pickled_model: model.pkl}}", "stored as cloudpickle, which may run arbitrary code"),
        ("{sklearn: {serialization_format: skops, code: code}}", "brings code of its own"),
        (f"{{{OTHER}: {{loader_module: x.y}}, sklearn: {{serialization_format: skops}}}}", "loaded by x.y"),
        (f"{{{OTHER}: {{predict_fn: __init__}}, sklearn: {{serialization_format: skops}}}}", "by __init__"),
        (f"{{{OTHER}: {{code: src}}, sklearn: {{serialization_format: skops}}}}", "brings code of its own"),
        ("{sklearn: {serialization_format: skops, pickled_model: none}}", "there is no none"),
        ("{sklearn: {serialization_format: skops, pickled_model: folder}}", "there is no folder"),
        ("{sklearn: {serialization_format: skops, pickled_model: link}}", "link is outside of it"),
        ("{sklearn: {serialization_format: skops, pickled_model: linked/file}}", "linked/file is outside"),
    ],
)  # fmt: skip
def test_untrusted_model_is_a_file_of_its_folder(flavors: str, problem: str, tmp_path: Path) -> None:
    """What brings code, or lies elsewhere, is not opened; the hint says how to trust it."""
    folder, other = tmp_path / "model", tmp_path / "other"
    (folder / "folder").mkdir(parents=True)
    other.mkdir()
    (other / "file").write_bytes(b"x")
    (folder / "link").symlink_to(other / "file")
    (folder / "linked").symlink_to(other)
    with pytest.raises(UsageError, match=problem) as error:
        load(folder, parse_mlmodel(f"flavors: {flavors}", "MLmodel"))
    assert "--trust" in error.value.hint


COLUMNS = parse_mlmodel(
    signed(
        {"type": "double", "name": "n", "required": False},
        {"type": "long", "name": "i", "required": True},
        {"type": "boolean", "name": "b", "required": True},
        {"type": "string", "name": "t", "required": False},
    ),
    "MLmodel",
).inputs
GOOD = {"n": 0.5, "i": 3, "b": True, "t": "x"}


@pytest.mark.parametrize(
    "content",
    [
        *("", "[", "1", "null", "[]", "{}", '"text"', "[" * 100_000, '{"columns": 1, "data": []}'),
        *('{"columns": ["n"], "data": 5}', '{"columns": [["n"]], "data": [[1]]}', '{"inputs": [1, 2]}'),
        *('{"columns": ["t"], "data": [["\\ud800"]]}', '{"columns": ["n"], "data": [[1]], "data": [[2]]}'),
        *('{"columns": ["n"], "data": [1, null, {}, [1, 2], []]}', '[{"n": 1}]'),
    ],
)
def test_example_that_is_no_table_is_left_alone(content: str, tmp_path: Path) -> None:
    """An input example is never a reason to refuse a model: what is no table has no rows."""
    (tmp_path / "input_example.json").write_text(content)
    assert example_rows(tmp_path, COLUMNS) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("n", value) for value in ("x", [1], {}, 10**400, float("inf"))),
        *(("i", value) for value in (None, 1.5, 2**63, "1")),
        *(("b", value) for value in (None, 2, "true", [])),
        *(("t", value) for value in (1, [])),
    ],
)
def test_row_that_does_not_fit_is_left_out(key: str, value: Any, tmp_path: Path) -> None:
    """A row with a value that its column cannot hold is left out; the others stay."""
    rows = [GOOD, GOOD | {key: value}, GOOD | {"n": None, "t": None}]
    content = {"columns": [*GOOD], "data": [[*row.values()] for row in rows]}
    (tmp_path / "input_example.json").write_text(json.dumps(content))
    assert example_rows(tmp_path, COLUMNS) == [rows[0], rows[2]]


def test_what_a_model_was_made_with_is_told(tmp_path: Path) -> None:
    """Another Python, other versions: one line, the first few of them; nothing where all is as it was."""
    said = parse_mlmodel("flavors: {python_function: {python_version: 3.1.2}}", "MLmodel")
    assert differing(tmp_path, said) == (
        f"the model was made with Python 3.1.2 (here {platform.python_version()}): "
        "it may answer differently here; --env model"
    )
    (tmp_path / "requirements.txt").write_text("numpy==0.1\n" + "".join(f"no-{i}\n" for i in range(9)))
    told = differing(tmp_path, said)
    assert "numpy==0.1 (here" in told
    assert told.endswith("no-2 (not installed), 6 more: it may answer differently here; --env model")
    (tmp_path / "requirements.txt").write_bytes(b"\xff")
    assert differing(tmp_path, parse_mlmodel("flavors: {sklearn: {}}", "MLmodel")) == ""


def test_trusted_model_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    """A package that is not installed, a damaged file: one line with the loader's own words. If versions
    differ, the hint names them, and the environment that has the right ones.
    """
    (tmp_path / "MLmodel").write_text(
        text := "flavors: {sklearn: {serialization_format: pickle, pickled_model: model.pkl},"
        " python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}}"
    )
    (tmp_path / "model.pkl").write_bytes(b"cno_such_package\nThing\n(tR.")
    needs = "cannot be loaded: it needs the module 'no_such_package', which is not installed"
    with pytest.raises(WaypostError, match=needs) as error:
        load(tmp_path, parse_mlmodel(text, "MLmodel"), is_trusted=True)
    assert "code_paths" in error.value.hint
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.0\n")
    of_others = (
        f"it was made with scikit-learn==1.0 (here {sklearn.__version__}); serve and score run it with those"
    )
    with pytest.raises(WaypostError, match=needs) as error:
        load(tmp_path, parse_mlmodel(text, "MLmodel"), is_trusted=True)
    assert error.value.hint == f"{of_others}: --env model"
    (tmp_path / "requirements.txt").write_text("no-such-package==1.0\n")
    with pytest.raises(WaypostError, match=needs) as error:
        load(tmp_path, parse_mlmodel(text, "MLmodel"), is_trusted=True)
    assert "no-such-package==1.0 (not installed); install it here, or" in error.value.hint
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.0\n")
    (tmp_path / "model.pkl").write_bytes(b"nothing")
    with pytest.raises(WaypostError, match="cannot be loaded: UnpicklingError") as error:
        load(tmp_path, parse_mlmodel(text, "MLmodel"), is_trusted=True)
    assert error.value.hint == f"{of_others}: --env model"
