"""Settings of bump2version in setup.cfg: the version, and the pattern of tags."""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from waypost.contracts.tag_names import PLAIN_TAG, SETTINGS
from waypost.errors import UsageError
from waypost.sources.files import read_text

__all__ = ["PLAIN_TAG", "SETTINGS", "Settings", "read_section", "read_settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of bump2version in setup.cfg."""

    version: Version
    tag_name: str


def read_settings(file: Path) -> Settings:
    """Returns version and tag pattern. Raises UsageError."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(read_text(file) if file.is_file() else "")
        section = parser["bumpversion"]
        version = Version(section["current_version"])
    except (KeyError, InvalidVersion, configparser.Error) as error:
        hint = "bump2version reads it: [bumpversion], current_version = 0.1.0, commit = False, tag = False"
        raise UsageError(
            f"{file}: no section [bumpversion] with a current_version ({error})", hint=hint
        ) from error
    tag_name = section.get("tag_name", PLAIN_TAG)
    if not tag_name.endswith("{new_version}"):
        hint = "such as tag_name = engine-v{new_version}"
        raise UsageError(f"{file}: tag_name {tag_name!r} does not end with {{new_version}}", hint=hint)
    return Settings(version, tag_name)


def read_section(file: Path, name: str) -> dict[str, str]:
    """Returns a section of a setup.cfg verbatim; empty if it cannot be read, which bump2version reports."""
    parser = configparser.RawConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(read_text(file) if file.is_file() else "")
        return dict(parser[name]) if name in parser else {}
    except configparser.Error:
        return {}
