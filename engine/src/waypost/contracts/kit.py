"""The kit that new libraries bring along: a folder of Waypost's in their repository."""

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
    """Returns the version that a folder says it is of, empty for a folder that is none of Waypost's.

    Args: `files` are the texts of its files, by their paths in it.
    """
    found = _VERSION.search(files.get(VERSION_FILE, ""))
    return found[1] if found else ""


def kit_digest(files: Mapping[str, str]) -> str:
    """Returns the sha256 (hex) of a kit: of the names and texts of its files."""
    digests = (
        f"{hashlib.sha256(text.encode()).hexdigest()}  {name}\n" for name, text in sorted(files.items())
    )
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def kit_problem(files: Mapping[str, str]) -> tuple[str, str]:
    """Returns why a folder is not the kit that it says it is, and what mends it; empty texts if it is."""
    version = kit_version(files)
    if not version or KITS.get(version) == kit_digest(files):
        return "", ""
    if version not in KITS:
        return f"version {version} is not known here", "pip install --upgrade waypost"
    hint = "put your own code into a folder beside it, then remove this one, and: waypost components kit"
    return f"it is not version {version} of the kit, as it says: it was changed", hint
