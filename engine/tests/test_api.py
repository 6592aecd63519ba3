"""Waypost from Python, as a notebook calls it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

import waypost
from tests import models
from tests.conftest import ROOT, Call
from tests.pipelines import write_component, write_pipeline
from waypost import api
from waypost.errors import UsageError, WaypostError
from waypost.report.console import python_console

SAY = """
import pathlib, sys, tempfile, mlflow
word, times = sys.argv[2], int(sys.argv[4])
if word == "wrong":
    sys.exit("error: no such word")
with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
    mlflow.log_metric("letters", len(word) * times)
    out = pathlib.Path(folder, "said.txt")
    out.write_text(word * times)
    mlflow.log_artifact(str(out))
"""
CELL = """
import json, pathlib, waypost
from waypost.errors import FindingsError, UsageError
given = dict(env="local", quiet=True)
first = waypost.run("small", {"word": "é: 'x'", "times": 2}, **given)
again = waypost.run("small", {"word": "é: 'x'", "times": 2}, **given)
other = waypost.run("small", force=["say"], **given)
wrong = {}
for name, call in {
    "failed": lambda: waypost.run("small", {"word": "wrong"}, **given),
    "findings": lambda: waypost.run("small", {"wort": "x"}, **given),
    "output": lambda: first.path("say.sad"),
    "value": lambda: waypost.run("small", {"word": {1, 2}}, **given),
    "place": lambda: waypost.run("smal", **given),
}.items():
    try:
        call()
    except waypost.RunFailedError as error:
        wrong[name] = [str(error), error.result.steps["say"].state]
    except Exception as error:
        wrong[name] = [type(error).__name__, str(error)]
told = dict(
    ids=[first.run_id, again.run_id, other.run_id], there=[first.was_there, again.was_there],
    states=[again.steps["say"].state, other.steps["say"].state], metrics=other.metrics,
    text=first.path("say.said").read_text(), uri=first.outputs["say.said"], shown=repr(first), wrong=wrong,
    locked=list(waypost.lock("small").components), verified=waypost.verify("small"),
)
print(json.dumps(told))
"""


def executed(*cells: str) -> tuple[str, str]:
    """Executes a notebook in a kernel; returns what its first cell printed, and what its last showed."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    first, *_, last = notebook.cells
    printed = [output.text for output in first.outputs if output.get("name") == "stdout"]
    [shown] = [output.data["text/plain"] for output in last.outputs if output.output_type == "execute_result"]
    return "".join(printed), shown


def test_cells(workplace: Path, call: Call) -> None:
    """A run gives its metrics and outputs; the same again executes nothing; what fails is an exception."""
    write_component(workplace / "small" / "parts", "say", SAY, word={}, times={})
    contract = workplace / "small" / "parts" / "say" / "MLproject"
    declared = "    outputs: {said: {path: said.txt}}\n    metrics: {letters: how many}\n"
    contract.write_text(contract.read_text() + declared)
    step = {"uses": "parts/say", "with": {"word": "${word}", "times": "${times}"}}
    write_pipeline(workplace / "small", {"say": step}, {"word": "a", "times": 1})
    printed, shown = executed(CELL, 'waypost.run("small", {"times": 3}, env="local", quiet=True)')
    told = json.loads(printed)  # nothing else is said: it is quiet
    assert "say/letters" in shown
    first, again, other = told["ids"]
    assert (first == again, told["there"]) == (True, [False, True])
    assert other != first
    assert told["states"] == ["reused", "done"]
    assert told["metrics"] == {"say/letters": 1.0}
    assert told["text"] == "é: 'x'" * 2
    assert re.fullmatch(r"runs:/[0-9a-f]{32}/said.txt", told["uri"])
    assert "sqlite" not in told["shown"]
    assert re.fullmatch(r"run \w+ is FAILED: say", told["wrong"]["failed"][0])
    assert told["wrong"]["failed"][1] == "failed"
    assert told["wrong"]["findings"][0] == "FindingsError"
    assert told["wrong"]["output"] == ["UsageError", "no output 'say.sad'"]
    assert told["wrong"]["value"][0] == "UsageError"
    assert told["wrong"]["place"][0].endswith("Error")
    assert (told["locked"], told["verified"]) == ([], [])
    compared = call("python", "-m", "waypost", "compare", first, f"runs:/{other}", "--json")
    assert compared.returncode == 0, compared.stderr
    document = json.loads(compared.stdout)
    assert sorted((c["name"], c["before"], c["after"]) for c in document["parameters"]) == [
        ("times", "2", "1"),
        ("word", "'é: ''x'''", "a"),
    ]
    [step] = document["steps"]
    assert (sorted(step["because"]), step["outputs"]) == (["times: 2 → 1", "word: é: 'x' → a"], ["said"])
    assert [(m["name"], m["after"]) for m in document["metrics"]] == [("say/letters", 1.0)]


def test_values_of_notebooks_become_parameters() -> None:
    """NumPy's numbers and arrays are numbers and lists, a path is its text; what is no value is told."""
    given = {"n": np.int64(3), "x": [np.float64(0.5)], "a": np.arange(2), "p": Path("a/b"), "t": "é"}
    assert api._text(given) == '{"n": 3, "x": [0.5], "a": [0, 1], "p": "a/b", "t": "é"}'
    with pytest.raises(UsageError, match="a parameter cannot be"):
        api._text(object())


def test_a_model(tmp_path: Path) -> None:
    """A model answers frames as MLflow's own load does, whatever their index and types; what it refuses is
    an error; a table is scored as on the command line.
    """
    table = models.frame(60)
    folder = models.save(models.full_pipeline().fit(table, models.labels(table)), table, tmp_path / "model")
    model = waypost.load_model(folder, trust=True)
    assert (model.is_compiled, model.reason, list(model.columns)) == (True, "", list(table.columns))
    stock = mlflow.pyfunc.load_model(str(folder))
    shuffled = table.sample(frac=1.0, random_state=1)
    narrowed = shuffled.astype(dict.fromkeys(shuffled.select_dtypes("float64"), "float32"))
    for asked in (shuffled, narrowed, shuffled.iloc[:, ::-1], shuffled.assign(more=1)):
        answers = model.predict(asked)
        assert list(answers.index) == list(asked.index)
        assert list(answers) == list(stock.predict(asked))
    chances = model.probabilities(shuffled)
    assert list(chances.idxmax(axis=1)) == list(model.predict(shuffled))
    with pytest.raises(WaypostError, match="Model is missing inputs"):
        model.predict(shuffled.drop(columns=table.columns[0]))
    shuffled.to_parquet(tmp_path / "table.parquet", index=False)
    given: dict[str, Any] = {"trust": True, "track": False, "quiet": True, "probabilities": True}
    for was_there in (False, True):
        scored = waypost.score(folder, tmp_path / "table.parquet", tmp_path / "scored", **given)
        assert (scored.rows, scored.skipped, scored.was_there) == (60, 0, was_there)
    written = pd.read_parquet(tmp_path / "scored", columns=["prediction"])
    assert list(written["prediction"]) == list(model.predict(shuffled))


def test_a_notebook_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's stdout says that it is a terminal; no table is drawn over there, and no display a line."""

    class Kernel(io.StringIO):
        def isatty(self) -> bool:
            return True

    stdout = Kernel()
    monkeypatch.setattr("sys.stdout", stdout)
    console = python_console()
    console.print("[bold]done[/]")
    assert (console.is_terminal, console.is_jupyter, stdout.getvalue()) == (False, False, "done\n")


def test_the_names_of_the_interface() -> None:
    """What `waypost` promises is there, has a docstring, and stands in the page about it."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for name in set(waypost.__all__) - {"__version__"}:
        assert getattr(waypost, name).__doc__
        assert f"`{name}" in page
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = waypost.nothing
