"""The log of a check for other tools: SARIF, with the lines of findings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from waypost import __version__
from waypost.contracts.component import FILE as PROJECT_FILE
from waypost.contracts.exemptions import Ignored
from waypost.contracts.sarif import sarif
from waypost.errors import Finding, WaypostError
from waypost.sources import git
from waypost.sources.files import read_text, write_text
from waypost.texts.lines import line_of


def log_of(folder: Path, findings: Iterable[Finding], ignored: Iterable[Ignored] = ()) -> dict[str, Any]:
    """Returns the SARIF log of findings in a product's folder, with paths relative to its repository."""
    folder = folder.resolve()
    top = git.top_of(folder) or folder

    def locate(name: str, key: str) -> tuple[str, int]:
        # Places are relative to the product, those of a pipeline's own components to the repository.
        place = folder / name if (folder / name).exists() or not (top / name).exists() else top / name
        if (place / PROJECT_FILE).is_file():
            place = place / PROJECT_FILE
        elif place.is_dir():
            return "", 1
        shown = place.relative_to(top).as_posix() if place.is_relative_to(top) else name
        try:
            return shown, line_of(read_text(place), key) if key and place.is_file() else 1
        except WaypostError:
            return shown, 1

    return sarif(findings, ignored, __version__, locate)


def write_log(file: Path, folder: Path, findings: Iterable[Finding], ignored: Iterable[Ignored] = ()) -> None:
    """Writes the SARIF log of findings in a product's folder. Raises WaypostError."""
    write_text(file, json.dumps(log_of(folder, findings, ignored), indent=1, ensure_ascii=False) + "\n")
