"""The files of new repositories and components, from templates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from waypost.sources.files import read_text
from waypost.texts import templates

_TEMPLATES = Path(__file__).with_name("templates")


def filled(name: str, values: Mapping[str, str]) -> str:
    """Returns a template with its values."""
    return templates.filled(read_text(_TEMPLATES / name), values)


def folder(name: str, values: Mapping[str, str], below: str = "") -> dict[str, str]:
    """Returns the files of a folder of templates, by their paths `below` a new folder."""
    place = _TEMPLATES / name
    files = sorted(file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file())
    # Programs end in .py.in, so that no tool takes them for the engine's own.
    return {f"{below}{_named(file)}": filled(f"{name}/{file}", values) for file in files}


def raw_folder(name: str) -> dict[str, str]:
    """Returns the unchanged files of a folder of templates by path."""
    place = _TEMPLATES / name
    return {_named(file.name): read_text(file) for file in sorted(place.iterdir()) if file.is_file()}


def _named(file: str) -> str:
    return file.removesuffix(".in") if file.endswith(".py.in") else file


def scalar(value: object) -> str:
    """Returns a value as YAML, on one line."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_./~][\w./~-]*", value) and not _means_else(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _means_else(text: str) -> bool:
    return text.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n", "~")
