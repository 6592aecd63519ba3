"""The library keeps one shape, and bad data is told in one line."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from componentkit.arguments import build_parser, load_entry_point
from docs.component_schemas import MODELS, schema_text
from docs.component_tables import updated
from tests.conftest import BIN, COMPONENTS, LIBRARY, Call

each_component = pytest.mark.parametrize("folder", [LIBRARY / name for name in COMPONENTS], ids=COMPONENTS)


def contract(folder: Path) -> dict[str, Any]:
    return load_entry_point(folder / "MLproject")


def test_all_components_are_there() -> None:
    """The library has the steps of a whole pipeline, and more than one trainer for it."""
    assert COMPONENTS == [
        "check_data",
        "download",
        "evaluate",
        "predict",
        "preprocess",
        "segregate",
        "train_gradient_boosting",
        "train_lightgbm",
        "train_linear",
        "train_random_forest",
        "train_xgboost",
    ]


def test_trainers_have_one_contract() -> None:
    """Whichever trainer a step uses: it takes the same, makes the same, and measures by the same names."""
    one, *others = (contract(LIBRARY / name) for name in COMPONENTS if name.startswith("train_"))
    for other in others:
        assert set(one["parameters"]) - {"jobs"} == set(other["parameters"]) - {"jobs"}
        assert one["outputs"]["model"] == other["outputs"]["model"]
        assert set(one["outputs"]) == set(other["outputs"])
        own = {"trees"}
        assert {n: m for n, m in one["metrics"].items() if n not in own} == {
            n: m for n, m in other["metrics"].items() if n not in own
        }


@each_component
def test_uniform_shape(folder: Path) -> None:
    """Each runs in the one environment, knows nothing of Waypost, says what it measures, and stays short."""
    assert (folder / "requirements.txt").readlink() == Path("..", "environment", "requirements.txt")
    assert contract(folder)["command"].startswith("PYTHONPATH=.. python run.py ")
    assert contract(folder)["metrics"]
    for file in folder.glob("*.py"):
        text = file.read_text()
        assert len(text.splitlines()) <= 250
        assert not re.search(r"^\s*(?:from|import) waypost", text, re.MULTILINE)


@each_component
def test_values_with_a_leading_dash(folder: Path) -> None:
    """A text such as the column `-1` reaches the component: it is not taken for an option."""
    entry_point = contract(folder)
    parameters = entry_point["parameters"]
    texts = [n for n, p in parameters.items() if p["type"] in ("path", "string") and "choices" not in p]
    values = {name: "-x 1" if name in texts else str(p.get("default")) for name, p in parameters.items()}
    command = entry_point["command"].format(**{name: shlex.quote(value) for name, value in values.items()})
    arguments = vars(build_parser(folder / "MLproject").parse_args(shlex.split(command)[3:]))
    assert {name: arguments[name] for name in texts} == dict.fromkeys(texts, "-x 1")


@pytest.mark.parametrize("file", MODELS)
def test_schemas_are_those_of_the_models(file: str) -> None:
    """What a contract says of a YAML file is what its component reads it by (`make docs` writes it)."""
    folder, _, name = file.partition("/")
    assert (LIBRARY / file).read_text(encoding="utf-8") == schema_text(MODELS[file])
    assert name in [p.get("schema") for p in contract(LIBRARY / folder)["parameters"].values()]


def test_environment_is_pinned_and_hashed() -> None:
    """Every requirement has one version and hashes; no index and no URL is named."""
    text = (LIBRARY / "environment" / "requirements.txt").read_text()
    pinned = re.findall(
        r"^[a-z0-9][\w.\-]*(?:\[[\w,-]+\])?==[^ ]+.* \\\n    --hash=sha256:", text, re.MULTILINE
    )
    assert len(pinned) == len(re.findall(r"^[a-zA-Z0-9]", text, re.MULTILINE))
    assert "://" not in text


@each_component
def test_readme_tells_the_contract(folder: Path) -> None:
    """The README's tables are those of the contract: `make docs` was run."""
    readme = (folder / "README.md").read_text()
    assert "<!-- contract -->" in readme
    assert updated(readme, contract(folder)) == readme


@each_component
def test_help_is_quick(folder: Path, call: Call) -> None:
    """`run.py --help` shows each parameter and imports nothing heavy on the way."""
    script = (
        "import runpy, sys; sys.argv = ['run.py', '--help']\n"
        "try: runpy.run_path('run.py', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'mlflow', 'pandas', 'sklearn', 'pydantic'} & set(sys.modules); assert not heavy, heavy"
    )
    result = call(sys.executable, "-c", script, cwd=folder, PYTHONPATH=str(LIBRARY))
    assert result.returncode == 0, result.stderr
    for name, parameter in contract(folder)["parameters"].items():
        assert f"--{name}" in result.stdout
        assert parameter["description"].split()[0] in result.stdout


def test_kit_stays_small() -> None:
    """What all components share are a few short files: none is longer than a component's may be."""
    files = list((LIBRARY / "componentkit").glob("*.py"))
    assert len(files) <= 10
    assert max(len(file.read_text().splitlines()) for file in files) <= 270


def component(name: str, *arguments: str) -> object:
    """Runs a component's run.py as `python run.py` would, in the tests' own process: MLflow is imported
    once. Returns the exit code of its error.
    """
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["run.py", *arguments])
        runpy.run_path(str(LIBRARY / name / "run.py"), run_name="__main__")
    return end.value.code


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("preprocess", ["--data", "empty.csv"], "error: empty.csv: the file is empty"),
        ("preprocess", ["--data", "cut.parquet"], "error: cut.parquet: cannot be read as parquet: "),
        ("preprocess", ["--data", "nope.csv"], "nope.csv: no such file"),
        ("preprocess", ["--data", "a.xlsx"], "error: a.xlsx: cannot be read as Excel: no workbook: "),
        ("preprocess", ["--data", "b.xlsx"], "error: b.xlsx: cannot be read as Excel: no workbook begins so"),
        ("preprocess", ["--data", "a.xls"], "error: a.xls: xlrd, which reads this kind of Excel, is not in"),
        ("preprocess", ["--data", "header.csv"], "error: header.csv: the table has no rows"),
        (
            "preprocess",
            ["--data", "good.csv", "--recipe", "bad.yaml"],
            "error: recipe: droop: there is no such key; did you mean 'drop'?",
        ),
        (
            "preprocess",
            ["--data", "semicolons.csv"],
            "error: semicolons.csv: the table has one column 'n;kind'",
        ),
        ("preprocess", ["--data", "latin.csv"], "error: latin.csv: not UTF-8 at line 2: is it latin-1?"),
        (
            "preprocess",
            ["--data", "good.csv", "--recipe", "drop.yaml"],
            "error: good.csv: drop: column 'gone'",
        ),
        (
            "preprocess",
            ["--data", "good.csv", "--recipe", "cast.yaml"],
            "error: good.csv: column 'kind' cannot be read as int: ",
        ),
        (
            "segregate",
            ["--data", "good.csv", "--strategy", "stratified", "--column", "kind"],
            "error: good.csv: stratified: column 'kind': too few rows to be on both sides: 'rare' (1 row)",
        ),
        (
            "check_data",
            ["--data", "good.csv", "--checks", "checks.yaml"],
            "error: good.csv: 2 of 4 checks failed: column 'gone': required: no such column (it has n,",
        ),
        (
            "train_random_forest",
            ["--data", "good.csv", "--target", "kind", "--model", "model.yaml"],
            "error: good.csv: column 'kind': the label is missing in 1 rows",
        ),
        (
            "segregate",
            ["--data", "good.csv", "--test_size", "2"],
            "argument --test_size: 2 is more than 0.99",
        ),
        (
            "segregate",
            ["--data", "good.csv", "--strategy", "odd"],
            "'odd' is not one of random, stratified",
        ),
    ],
)
def test_bad_data_is_one_line(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    arguments: list[str],
    message: str,
) -> None:
    """Data or parameters that cannot work: one line with file, column and rule; no stack trace."""
    Path("empty.csv").touch()
    Path("header.csv").write_text("a,b\n")
    with zipfile.ZipFile("a.xlsx", "w") as archive:
        archive.writestr("other.txt", "x")
    Path("b.xlsx").write_text("x")
    Path("a.xls").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000))
    Path("bad.yaml").write_text("droop: [a]\n")
    Path("good.csv").write_text("n,kind\n1,a\n2,a\n3,rare\n" if name == "segregate" else "n,kind\n1,a\n2,\n")
    Path("semicolons.csv").write_text("n;kind\n1;a\n")
    Path("latin.csv").write_bytes(b"n,kind\n1,K\xf6ln\n")
    Path("drop.yaml").write_text("drop: [gone]\n")
    Path("cast.yaml").write_text("cast: {kind: int}\n")
    Path("model.yaml").write_text("features: {numeric: [n]}\n")
    Path("checks.yaml").write_text("columns: [{name: gone}, {name: n, type: string}]\n")
    pd.DataFrame({"a": range(1000)}).to_parquet("whole.parquet")
    Path("cut.parquet").write_bytes(Path("whole.parquet").read_bytes()[:500])
    files = [str(workplace / a) if Path(a).suffix or a == "nope.csv" else a for a in arguments]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workplace / 'mlflow.db'}")
    code = component(name, *files)
    text = "".join(capsys.readouterr())
    assert code in (1, 2)
    assert message in text
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if "error: " in line]
    assert len(lines) == 1


def test_debug_shows_the_trace(workplace: Path, call: Call) -> None:
    """--debug keeps the stack trace for whoever mends the component; without, a process says one line."""
    Path("empty.csv").touch()
    run = (BIN / "python", "run.py", "--data", workplace / "empty.csv")
    env = {"PYTHONPATH": str(LIBRARY), "MLFLOW_TRACKING_URI": f"sqlite:///{workplace / 'mlflow.db'}"}
    traced, plain = (call(*run, *more, cwd=LIBRARY / "preprocess", **env) for more in (["--debug"], []))
    assert (traced.returncode, plain.returncode) == (1, 1)
    assert "Traceback" in traced.stderr
    assert "error: empty.csv: the file is empty" in plain.stderr
    assert "Traceback" not in plain.stderr
