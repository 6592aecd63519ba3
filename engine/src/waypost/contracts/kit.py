"""The kit of new libraries: a folder in their repository that Waypost maintains."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

FOLDER = "componentkit"
VERSION_FILE = "__init__.py"
KITS: dict[str, str] = {"1": "8950cddef9808752f68c10384c21c9c0a54fe6a2aebf74d245616bfab2b71a90"}
"""The digest of each version of the kit; a version never changes."""
NEWEST = list(KITS)[-1]
_VERSION = re.compile(r'^KIT_OF_WAYPOST = "(\w+)"$', re.MULTILINE)


def kit_version(files: Mapping[str, str]) -> str:
    """Returns the version that a folder declares, empty if it is not a kit.

    Args: `files` are the texts of its files, by path.
    """
    found = _VERSION.search(files.get(VERSION_FILE, ""))
    return found[1] if found else ""


def kit_digest(files: Mapping[str, str]) -> str:
    """Returns the sha256 (hex) of a kit's file names and texts."""
    digests = (
        f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(files.items())
    )
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def kit_problem(files: Mapping[str, str]) -> tuple[str, str]:
    """Returns why a folder differs from the kit version that it declares, and the remedy; empty texts if it
    does not.
    """
    version = kit_version(files)
    if not version or KITS.get(version) == kit_digest(files):
        return "", ""
    if version not in KITS:
        return f"version {version} is not known here", "pip install --upgrade waypost"
    hint = "move your own code to another folder, remove this one, then: waypost components kit"
    return f"it is not version {version} of the kit, as it says: it was changed", hint
