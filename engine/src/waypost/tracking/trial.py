"""Executes one project with stock MLflow in this interpreter. It is run by path, also where Waypost is not
installed: it uses only the standard library and MLflow.

stdin has the request (JSON); the file named by the argument gets the result.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Runs a project, and copies its outputs to a folder; 1 if the run failed."""
    asked = json.loads(sys.stdin.read())
    import mlflow
    import mlflow.projects
    from mlflow.exceptions import ExecutionException

    try:
        execute: Any = mlflow.projects.run
        run = execute(asked["folder"], parameters=asked["parameters"], env_manager="local")
    except ExecutionException as error:
        print(f"stock MLflow: {error}")  # the component's own message is on stderr
        return 1
    found = {path: _brought(run.run_id, path, Path(asked["outputs"])) for path in asked["paths"]}
    answers = {path: _answer(found[path]) for path in asked["models"] if found[path]}
    content = {"run": run.run_id, "outputs": found, "models": answers}
    Path(sys.argv[1]).write_text(json.dumps(content), encoding="utf-8")
    return 0


def _brought(run_id: str, path: str, folder: Path) -> str:
    """Returns the local path of an artifact, empty if the run did not log it."""
    from mlflow.artifacts import download_artifacts

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return str(download_artifacts(run_id=run_id, artifact_path=path, dst_path=str(folder)))
    except Exception as error:  # each artifact store has its own exceptions
        print(f"{path}: {error}")
        return ""


def _answer(folder: str) -> str:
    """Returns why a model fails on its own example, empty if it does not, or has none."""
    import mlflow

    try:
        model: Any = mlflow.pyfunc.load_model(folder)
        example = model.input_example
        if example is not None:
            model.predict(example)
    except Exception as error:  # a model's own code may raise anything
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
