"""Skops files as a stranger may write them: members and parts changed at will."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Members = dict[str, bytes]


def read(file: Path | BinaryIO) -> tuple[Members, Any]:
    """Returns the members of a file and what its schema says."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return members, json.loads(members.pop("schema.json"))


def write(file: Path, members: Members, schema: Any) -> None:
    """Writes a file of members and a schema, a text as it is."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr("schema.json", schema if isinstance(schema, str) else json.dumps(schema))


def parts(schema: Any, loader: str = "") -> Iterator[dict[str, Any]]:
    """Gives the parts of a schema, those with a loader alone where one is named."""
    left = [schema]
    while left:
        part = left.pop(0)
        if isinstance(part, dict):
            if "__loader__" in part and (not loader or part["__loader__"] == loader):
                yield part
            left += part.values()
        elif isinstance(part, list):
            left += part


def change(file: Path, edit: Callable[[Members, Any], None]) -> None:
    """Changes a file by a function of its members and its schema."""
    members, schema = read(file)
    edit(members, schema)
    write(file, members, schema)


def array(values: Any) -> bytes:
    """Returns an array as a member holds it."""
    out = io.BytesIO()
    np.save(out, np.asarray(values))
    return out.getvalue()
