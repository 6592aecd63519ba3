"""The tags of a product, as its setup.cfg declares them for bump2version: several may share a repository."""

from __future__ import annotations

import configparser
import posixpath
from collections.abc import Callable

SETTINGS = "setup.cfg"
PLAIN_TAG = "v{new_version}"  # bump2version's own default


def tag_name(settings: str) -> str:
    """Returns the form of the tags that the text of a setup.cfg declares; empty without [bumpversion]."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(settings)
    except configparser.Error:
        return ""
    return parser.get("bumpversion", "tag_name", fallback=PLAIN_TAG) if "bumpversion" in parser else ""


def product_around(folder: str, text_of: Callable[[str], str | None]) -> tuple[str, str]:
    """Returns (folder, prefix of its tags) of the product that a folder of a repository belongs to.

    That is the nearest one at or above it with a version of its own. One below the top with plain tags is a
    guest there: what counts are the top's tags. Empty texts are the top, and tags vX.Y.Z.

    Args: `text_of` gives the text of a file of the repository, None where there is none.
    """
    while folder:
        form = tag_name(text_of(f"{folder}/{SETTINGS}") or "")
        if form == PLAIN_TAG:
            break
        if form.endswith("{new_version}"):
            return folder, form.removesuffix("{new_version}")
        folder = posixpath.dirname(folder)
    return "", ""
