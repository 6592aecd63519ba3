"""New files, written together or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost.errors import Finding, FindingsError
from waypost.sources.git import ignored_among


@dataclass(frozen=True)
class Link:
    """A symbolic link and its target."""

    to: str


class Program(str):
    """The text of a file that the system executes."""

    __slots__ = ()


New = Mapping[str, str | Link]
"""New files by their paths below a folder."""


def without(folder: Path, files: New, kept: Iterable[str]) -> New:
    """Returns the files without those of `kept` that the folder has already."""
    there = {name for name in kept if (folder / name).is_file()}
    return {name: content for name, content in files.items() if name not in there}


def ignored(folder: Path, files: New) -> str:
    """Returns what to say of new files that git ignores, so that nobody would get them; empty without any."""
    names = ignored_among(folder, files)
    return f"git ignores {len(names)} of them, see .gitignore: {', '.join(names[:3])}" if names else ""


def check_free(folder: Path, files: New) -> None:
    """Raises FindingsError with each file that exists already: nothing is ever replaced."""
    there = [name for name in files if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        findings = [Finding(str(folder / name), "is there already") for name in sorted(there)]
        raise FindingsError(findings, consequence="nothing was written")


def write(folder: Path, files: New) -> None:
    """Writes new files; on an error it removes the ones it wrote. Raises FindingsError, OSError."""
    check_free(folder, files)
    written: list[Path] = []
    try:
        for name, content in files.items():
            file = folder / name
            _make(file.parent, written)
            if isinstance(content, Link):
                file.symlink_to(content.to)
                written.append(file)
                continue
            with file.open("x", encoding="utf-8") as new:  # not one that came meanwhile
                written.append(file)
                new.write(content)
            if isinstance(content, Program):
                file.chmod(file.stat().st_mode | 0o111)
    except BaseException:
        for path in reversed(written):
            with contextlib.suppress(OSError):  # the first error is what counts
                (path.rmdir if path.is_dir() and not path.is_symlink() else path.unlink)()
        raise


def _make(folder: Path, written: list[Path]) -> None:
    """Creates a folder and its parents, and notes the new ones."""
    if folder.is_dir():
        return
    _make(folder.parent, written)
    folder.mkdir()
    written.append(folder)
