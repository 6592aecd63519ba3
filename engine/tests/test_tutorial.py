"""The tutorial, by its very words: in an empty folder, with the built wheel in an empty environment."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.repositories import free_port
from tests.wheels import installed

PAGE = ROOT / "docs" / "tutorial.md"
LOCK = ROOT / "engine" / "src" / "waypost" / "images" / "requirements.txt"  # with the extra `serve`
MARK = "==== block"
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script_of(blocks: list[tuple[str, str]], port: int) -> str:
    """Returns the shell blocks as one script, on a port that is free; a mark stands before each."""
    commands = [text for language, text in blocks if language == "sh"]
    marked = "".join(f"echo '{MARK}'\n{text}" for text in commands)
    return marked.replace("git://127.0.0.1/", f"git://127.0.0.1:{port}/").replace(
        "git daemon ", f"git daemon --port={port} "
    )


def shown(blocks: list[tuple[str, str]], said: str) -> list[str]:
    """Returns the lines that the page shows and the shell block above did not say; `…` is anything."""
    outputs, missing, at = said.split(f"{MARK}\n")[1:], list[str](), -1
    for language, text in blocks:
        at += language == "sh"
        for line in text.splitlines() if language == "text" else ():
            pattern = ".*".join(map(re.escape, " ".join(line.split()).split("…")))
            if not re.search(pattern, " ".join(outputs[at].split())):
                missing.append(line)
    return missing


@pytest.mark.journey
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_tutorial(tmp_path: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the page works after those before it, and says what the page shows: a new library is
    released, a pipeline on it locked, run and released; it runs from its tag, also by stock MLflow; its model
    answers.
    """
    waypost = installed(tmp_path, LOCK)
    (workplace / "mlflow.db").unlink()
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(waypost.parent), "/usr/local/bin", "/usr/bin", "/bin"]))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A User")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "user@example.org")
    command = ["bash", "-euo", "pipefail", "-c", script_of(blocks, free_port())]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    finally:
        ended = workplace / "daemon.pid"
        if ended.exists():  # git removes it when the daemon ends
            subprocess.run(["kill", ended.read_text().strip()], check=False)
    assert done.returncode == 0, done.stdout
    assert shown(blocks, done.stdout) == []
