"""The tags of a product, as its setup.cfg declares them for bump2version: several may share a repository."""

from __future__ import annotations

import configparser
import posixpath
from collections.abc import Callable

SETTINGS = "setup.cfg"
PLAIN_TAG = "v{new_version}"  # bump2version's own default
_VERSION = "{new_version}"


def tag_name(settings: str) -> str:
    """Returns the tag format declared in the text of a setup.cfg; empty without [bumpversion]."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(settings)
    except configparser.Error:
        return ""
    return parser.get("bumpversion", "tag_name", fallback=PLAIN_TAG) if "bumpversion" in parser else ""


def own_prefix(settings: str) -> str:
    """Returns the tag prefix declared in the text of a setup.cfg, empty for plain tags."""
    form = tag_name(settings)
    return form.removesuffix(_VERSION) if form != PLAIN_TAG and form.endswith(_VERSION) else ""


def product_around(folder: str, text_of: Callable[[str], str | None]) -> tuple[str, str]:
    """Returns (folder, tag prefix) of the product that a folder of a repository belongs to.

    It is the nearest one at or above the folder with its own version. One below the top with plain tags is a
    guest there: the top's tags count. Empty texts mean the top, with tags vX.Y.Z.

    Args: `text_of` returns the text of a file in the repository, None if there is none.
    """
    while folder:
        text = text_of(f"{folder}/{SETTINGS}") or ""
        form = tag_name(text)
        if form == PLAIN_TAG:
            break
        if prefix := own_prefix(text):
            return folder, prefix
        folder = posixpath.dirname(folder)
    return "", ""
