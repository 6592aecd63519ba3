"""Patterns for names in files that become part of a path, a git ref or a git command."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from waypost.contracts.trees import name_problem, path_problem, shown

# The rules of `git check-ref-format`, and no name that git would read as an option.
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-./]|[./]$|^@$")


def _folder_name(text: str) -> str:
    if problem := name_problem(text):
        raise ValueError(f"{shown(text)} {problem}")
    return text


def _path(text: str) -> str:
    if problem := path_problem(text.removesuffix("/")):
        raise ValueError(f"{shown(text)} {problem}")
    return text


def _folder(text: str) -> str:
    return text if text in ("", ".") else _path(text)


def file_near(text: str) -> str:
    """Returns the path of a file in a component's folder or a sibling folder. Raises ValueError."""
    parts = [part for index, part in enumerate(text.split("/")) if part != "." and (part or not index)]
    below = "/".join(parts[1:] if parts[:1] == [".."] else parts)
    if problem := path_problem(below):
        raise ValueError(f"{shown(text)} {problem}")
    return text


def _ref(text: str) -> str:
    if _NO_REF.search(text):
        raise ValueError(f"{shown(text)} is not a valid tag name")
    return text


def uses_problem(text: str) -> str:
    """Returns why a text does not name a component, empty if it does."""
    hit = re.fullmatch(r"[^/@\s]+/([^/@\s.][^/@\s]*)(@\S+)?", text)
    if hit is None:
        return "is not of the form SOURCE/COMPONENT, such as core/download or core/download@~=1.2"
    return name_problem(hit[1])


def _uses(text: str) -> str:
    if problem := uses_problem(text):
        raise ValueError(f"{shown(text)} {problem}")
    return text


ObjectId = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
"""The full id of a git object, SHA-1 or SHA-256."""
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
VersionText = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.!+_-]*$")]
FolderName = Annotated[str, AfterValidator(_folder_name)]
"""The name of a sibling folder."""
PathInside = Annotated[str, AfterValidator(_path)]
"""A path that stays inside its base folder."""
FolderInside = Annotated[str, AfterValidator(_folder)]
"""Such a path, or the base folder itself: `.` or nothing."""
FileNear = Annotated[str, AfterValidator(file_near)]
"""A path in a component's folder, or in a sibling folder: `../environment/requirements.txt`."""
TagName = Annotated[str, AfterValidator(_ref)]
"""A tag, or nothing."""
Uses = Annotated[str, AfterValidator(_uses)]
"""SOURCE/COMPONENT[@REQUIREMENT]."""
