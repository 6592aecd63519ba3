"""`--env model`: a model runs in the environment that it asks for, by MLflow's own code there."""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from tests.conftest import Call
from tests.serving import serving
from waypost.compat.mlflow_serving import RefusedError, invoked
from waypost.contracts.mlmodel import parse_mlmodel
from waypost.errors import UsageError, WaypostError
from waypost.inference.environment import built
from waypost.inference.fetching import fetched_model
from waypost.inference.limits import Limits, RequestError
from waypost.inference.remote import Remote
from waypost.runs.environments import Environment
from waypost.system.places import home

OTHER = "3.1.1" if importlib.metadata.version("cloudpickle") != "3.1.1" else "3.1.2"
MAKE = """
import json, sys
import cloudpickle, mlflow, pandas as pd
from mlflow.models import infer_signature

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        import cloudpickle, os
        if (model_input["a"] > 1e6).any():
            os._exit(3)
        return pd.DataFrame({"made_with": cloudpickle.__version__, "half": model_input["a"] / 2})

table = pd.DataFrame({"a": [0.1, 0.2, 0.3, 0.4], "t": ["x", None, "y", "x"]})
mlflow.pyfunc.save_model(
    "model", python_model=Model(), signature=infer_signature(table), pip_requirements=sys.argv[1:]
)
print(mlflow.pyfunc.load_model("model").predict(table).to_json(orient="records", double_precision=15))
"""


SAID = parse_mlmodel("flavors: {python_function: {loader_module: m}}", "MLmodel")


def here() -> Environment:
    """Returns the environment of the tests, which has all that the models of unit tests ask for."""
    return Environment("0", Path(sys.prefix))


def saved(folder: Path, code: str) -> Path:
    """Saves a model whose Python code answers; returns its folder."""
    text = f"""
        import mlflow, os, time
        from mlflow.models import set_model

        class Model(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input, params=None):
                {code}

        set_model(Model())
    """
    (folder / "code.py").write_text(textwrap.dedent(text))
    import mlflow

    mlflow.pyfunc.save_model(str(folder / "model"), python_model=str(folder / "code.py"), pip_requirements=[])
    return folder / "model"


def remote(folder: Path, seconds: float = 60.0) -> Remote:
    said = parse_mlmodel((folder / "MLmodel").read_text(), "MLmodel")
    return Remote(folder, said, here(), seconds=seconds)


def ask(model: Remote, content: object) -> bytes:
    body = json.dumps({"dataframe_split": {"columns": ["a"], "data": [[content]]}}).encode()
    return model.respond("application/json", body, Limits(rows=10), chances=False, keeps=False).body


def test_model_answers_in_the_environment_that_it_asks_for(workplace: Path, call: Call) -> None:
    """A model made with another scikit-learn: `serve` and `score` answer as that environment itself does,
    which is built once; the model's process may be killed, and falls by its own fault, without the server.
    """
    wanted = [f"cloudpickle=={OTHER}", str(bridge(workplace))]
    (workplace / "make.py").write_text(MAKE)
    python = made_for(wanted, workplace)
    environment = {**os.environ, "PYTHONPATH": ""}
    said = subprocess.run(
        [python, "make.py", *wanted],
        cwd=workplace,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for file in (workplace / "asked").iterdir():  # MLflow's own lines ask for all of MLflow
        shutil.copy(file, workplace / "model")
    expected = json.loads(said.splitlines()[-1])
    assert expected[0]["made_with"] == OTHER
    table = pd.DataFrame({"a": [0.1, 0.2, 0.3, 0.4], "t": ["x", None, "y", "x"]})
    table.to_parquet(workplace / "rows.parquet")

    scored = call(
        *("python", "-m", "waypost", "score", "model", "rows.parquet", "out"),
        *("--env", "model", "--trust", "--no-track"),
    )
    assert scored.returncode == 0, scored.stderr
    answers = pd.read_parquet(workplace / "out" / "part-00000.parquet")
    assert answers[["made_with", "half"]].to_dict("records") == expected

    with serving("model", "--env", "model", "--trust", "--log-predictions", "log", cwd=workplace) as server:
        body = {"dataframe_split": json.loads(table.to_json(orient="split", index=False))}
        reply = server.ask(body)
        assert (reply.status_code, reply.json()["predictions"]) == (200, expected), reply.text
        fatal = {"dataframe_records": [{"a": 1e7, "t": "x"}]}
        fallen = server.ask(fatal)
        assert (fallen.status_code, "exit code 3" in fallen.text) == (503, True), fallen.text
        assert server.ask({"dataframe_records": [{"a": "much"}]}).status_code == 400
        assert server.ask(body).json()["predictions"] == expected
        assert server.stop() == 0
    logged = pd.concat(map(pd.read_parquet, (workplace / "log").glob("predictions-*.parquet")))
    assert logged["a"].tolist() == [*table["a"]] * 2
    built_once = [path for path in (home() / "envs").iterdir() if path.is_dir()]
    assert len(built_once) == 1


def bridge(folder: Path) -> Path:
    """Returns a wheel by which an environment has what it lacks, MLflow among it, from that of the tests: to
    install all of that would take a minute.
    """
    file = folder / "bridge-1-py3-none-any.whl"
    info = "bridge-1.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr("bridge.pth", f"{sysconfig.get_path('purelib')}\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: bridge\nVersion: 1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return file


def made_for(wanted: list[str], workplace: Path) -> Path:
    """Returns the Python of the environment that a model with these requirements asks for."""
    folder = workplace / "asked"
    folder.mkdir()
    (folder / "requirements.txt").write_text("\n".join(wanted))
    text = "dependencies: [-r requirements.txt]\n"
    (folder / "python_env.yaml").write_text(text)
    return built(folder, SAID, print).python


def test_process_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """Who is not answered within the time hears 504, and the process is gone; others hear 503 meanwhile."""
    model = remote(saved(tmp_path, "time.sleep(model_input['a'][0]); return [os.getpid()]"))
    process = json.loads(ask(model, 0))["predictions"][0]
    assert process != os.getpid()
    model._seconds = 0.3
    with pytest.raises(RequestError, match=r"no answer within 0\.3 s") as late:
        ask(model, 30)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with model._lock, pytest.raises(RequestError, match="busy with other requests") as busy:
        ask(model, 0)
    assert (late.value.status, busy.value.status) == (504, 503)


def test_model_that_does_not_load_is_told(tmp_path: Path) -> None:
    """A module that the environment lacks is named, with what to do; so is any other reason, in one line."""
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: no_such_module}}")
    with pytest.raises(
        WaypostError, match=r"needs the module 'no_such_module', which is not in its env"
    ) as missing:
        _ = remote(tmp_path).classes
    assert "code_paths" in missing.value.hint


class Reply(NamedTuple):
    """What MLflow's `invocations` gives."""

    response: str
    status: int


class Doubling:
    """A model that doubles a column; it has no signature."""

    class metadata:  # noqa: N801
        @staticmethod
        def get_input_schema() -> None: ...

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        return (data["a"] * 2).tolist()


def old_application(model: Any) -> Any:
    """Returns the application of a scoring server before MLflow 2.4, as far as it is asked here."""
    import flask

    app = flask.Flask("old")

    @app.post("/invocations")
    def transformation() -> Any:
        table = pd.read_csv(io.StringIO(flask.request.data.decode()))
        if "a" in table:
            return {"predictions": model.predict(table)}
        return {"message": "unexpected", "stack_trace": "Traceback\nKeyError: 'a'\n"}, 400

    return app


def test_servers_of_older_mlflows_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow 2 takes a CSV as text, and says by a status what it does not take; before 2.4 it answers in its
    web application alone.
    """
    from mlflow.pyfunc import scoring_server

    def invocations(data: Any, kind: str, model: Any, schema: Any) -> Reply:
        if kind != "text/csv":
            return Reply(f"Got {kind!r}", 415)
        return Reply(json.dumps({"predictions": model.predict(pd.read_csv(io.StringIO(data)))}), 200)

    monkeypatch.setattr(scoring_server, "invocations", invocations)
    assert json.loads(invoked(Doubling(), "text/csv", b"a\n1\n")) == {"predictions": [2]}
    with pytest.raises(RefusedError, match=r"Got 'application/vnd\.apache\.parquet'"):
        invoked(Doubling(), "application/vnd.apache.parquet", b"PAR1")
    with pytest.raises(RefusedError, match="the body is not UTF-8"):
        invoked(Doubling(), "text/csv", b"a\n\xff\n")
    monkeypatch.delattr(scoring_server, "invocations")
    monkeypatch.setattr(scoring_server, "init", old_application)
    assert json.loads(invoked(Doubling(), "text/csv", b"a\n1\n")) == {"predictions": [2]}
    with pytest.raises(RefusedError, match=r"^KeyError: 'a'$"):
        invoked(Doubling(), "text/csv", b"b\n1\n")


def test_environment_that_cannot_be_built_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file says what the model needs, packages of conda's own, one that is not there, a Python that nobody
    has: one line each.
    """
    monkeypatch.setenv("WAYPOST_HOME", str(tmp_path / "home"))
    (tmp_path / "m").mkdir()

    def told(**files: str) -> str:
        for name, text in files.items():
            (tmp_path / "m" / f"{name}.yaml").write_text(text)
        with pytest.raises(WaypostError) as error:
            built(tmp_path / "m", SAID, print)
        assert "\n" not in str(error.value), str(error.value)
        return str(error.value)

    assert "no python_env.yaml and no conda.yaml say what the model needs" in told()
    assert "r-base: only Python, pip" in told(conda="dependencies: [r-base]")
    assert "environment cannot be built: " in told(python_env="dependencies: [./none.whl]")
    assert "m: it needs Python 3.99, which is not installed and" in told(python_env="python: 3.99.1")


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("{env: {conda: c.yaml, virtualenv: p.yaml}}", ("p.yaml", "c.yaml")),
        ("{env: c.yaml}", ("python_env.yaml", "c.yaml")),
        ("{loader_module: m}", ("python_env.yaml", "conda.yaml")),
    ],
)
def test_files_of_an_environment(text: str, files: tuple[str, str]) -> None:
    """The MLmodel names the files, in the form of any MLflow; else they have their usual names."""
    said = parse_mlmodel(f"flavors: {{python_function: {text}}}", "MLmodel")
    assert said.pyfunc.environment_files == files


def test_environment_of_a_stranger_is_not_built(tmp_path: Path) -> None:
    """What a model needs may run arbitrary code when it is installed: that takes --trust."""
    with (
        pytest.raises(UsageError, match="may run arbitrary code") as error,
        fetched_model(str(tmp_path), tmp_path / "state", in_own=True),
    ):
        pass
    assert "--trust" in error.value.hint
