"""Files of the client's machine that workers get as artifacts of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from waypost.runs.uploads import Uploads


def test_equal_files_keep_their_names(tmp_path: Path) -> None:
    """A file is uploaded once for all steps; one with the same content and another name by its own, since
    programs read what a file is from its name.
    """
    files = {name: tmp_path / name for name in ("a.csv", "a.txt")}
    for file in files.values():
        file.write_text("x\n")
    memo: Any = SimpleNamespace(digest=lambda path: path.read_text())
    uploaded: list[tuple[str, str]] = []
    runs: Any = SimpleNamespace(log_file=lambda _, path, folder: uploaded.append((path.name, folder)))
    work: Any = SimpleNamespace(step=None, parent="p", inputs=SimpleNamespace(local=lambda _: files))
    uploads = Uploads(memo, lambda _: None, upload=True)
    found = {name: argument["artifact"] for name, argument in uploads.files(work, runs).items()}
    assert {name: artifact.rpartition("/")[2] for name, artifact in found.items()} == {n: n for n in files}
    uploads.files(work, runs)
    assert [name for name, _ in uploaded] == ["a.csv", "a.txt"]
