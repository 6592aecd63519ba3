"""The page of a server: its examples are what they say, for whoever copies them."""

from __future__ import annotations

import ast
import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from waypost.contracts.mlmodel import MLmodel, parse_mlmodel
from waypost.inference.example import example_rows
from waypost.serving.openapi import example_of, openapi
from waypost.serving.page import PageContent, page

COLUMNS = [{"name": "a", "type": "double", "required": False}, {"name": "it's <b>", "type": "string"}]


@pytest.fixture
def said() -> MLmodel:
    """A model with these columns."""
    content = {"flavors": {"python_function": {}}, "signature": {"inputs": json.dumps(COLUMNS)}}
    return parse_mlmodel(json.dumps(content), "MLmodel")


def example(said: MLmodel, folder: Path) -> dict[str, Any]:
    """Returns the row that the page has."""
    return example_of(said, example_rows(folder, said.inputs))


def snippets(said: MLmodel, folder: Path, *, needs_token: bool = False) -> list[str]:
    """Returns what the page has for curl and for Python."""
    document = openapi(said, "m", example(said, folder), needs_token=needs_token)
    found = re.findall(
        r'<pre class="code">(.*?)</pre>', page(PageContent(document, said, {}), "n"), re.DOTALL
    )
    return [html.unescape(text) for text in found]


def test_an_example_is_valid_json(said: MLmodel, tmp_path: Path) -> None:
    """A value of the model's example that is missing is null, not NaN, wherever it is shown."""
    content = {"columns": ["a", "it's <b>"], "data": [[float("nan"), "x"]]}
    (tmp_path / "input_example.json").write_text(json.dumps(content))
    assert example(said, tmp_path) == {"a": None, "it's <b>": "x"}
    curl, python = snippets(said, tmp_path)
    assert "NaN" not in curl
    assert "nan" not in python


@pytest.mark.parametrize("needs_token", [False, True])
def test_snippets_send_the_example(said: MLmodel, tmp_path: Path, needs_token: bool) -> None:
    """curl sends the JSON of the example, Python's requests the same; with the token if needed."""
    curl, python = snippets(said, tmp_path, needs_token=needs_token)
    shell = f'curl() {{ printf "%s\\n" "$@" >&2; cat; }}\n{curl}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True, timeout=10)
    expected: Any = {"dataframe_records": [example(said, tmp_path)], "params": {"probabilities": True}}
    assert json.loads(done.stdout) == expected
    assert ("Authorization: Bearer" in done.stderr) == needs_token
    tree = ast.parse(python)
    body = next(node for node in tree.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(body.value) == expected
    assert ("WAYPOST_TOKEN" in python) == needs_token
