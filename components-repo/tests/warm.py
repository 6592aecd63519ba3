"""`mlflow …` as a fork of a process that has imported what it imports, which takes seconds of a core.

A fork is a process as any other: it has its own variables, folder, streams and exit code. What it starts, the
components, starts as ever. Where MLflow keeps environments it has decided while it was imported.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["mlflow.cli", "mlflow.projects", "mlflow.store.tracking.sqlalchemy_store"])


def mlflow(*arguments: str, cwd: Path, env: Mapping[str, str]) -> CompletedProcess[str]:
    """Runs a command of MLflow; its output is one text, the exit code is free."""
    with tempfile.NamedTemporaryFile() as said:
        process = _FORKS.Process(target=_become, args=(arguments, str(cwd), dict(env), said.name))
        process.start()
        process.join()
        text = Path(said.name).read_text(encoding="utf-8")
    return CompletedProcess(["mlflow", *arguments], process.exitcode or 0, text, "")


def _become(arguments: tuple[str, ...], folder: str, variables: dict[str, str], said: str) -> None:
    """Becomes what `mlflow` is with these arguments, in this folder, with these variables."""
    file = os.open(said, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    tempfile.tempdir = None
    sys.argv = ["mlflow", *arguments]
    from mlflow.cli import cli

    cli()
