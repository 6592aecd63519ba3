"""The location of a component repository, as a full git URL."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from waypost.contracts.trees import shown

_SCP_LIKE = re.compile(r"^(?:[^/:\s\[\]]+|(?:[^/:\s\[\]]+@)?\[[\w:.%]+\]):(?!//)")
_BRACKETS = re.compile(r"\[[^\]]*\]")  # around the IPv6 address of a host
_GITHUB = "github:"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def url_problem(written: str) -> str:
    """Returns what is wrong with a `git:` text, empty if nothing is."""
    if written.startswith(_GITHUB):
        fits = re.fullmatch(r"github:[\w.-]+/[\w.-]+", written)
        return "" if fits else f"{written!r} is not of the form github:ORGANISATION/REPOSITORY"
    if _CONTROLS.search(written):
        return f"{shown(written)} contains a control character"
    known = "://" in written or written.startswith(("./", "../", "/")) or _SCP_LIKE.match(written)
    # A leading dash would be an option of git, `::` names a program to run.
    if known and not written.startswith("-") and "::" not in _BRACKETS.sub("", written):
        return ""
    return f"{written!r} is not a git URL: use https://…, ssh://…, git@HOST:…, ../NAME.git or github:ORG/REPO"


def scheme_of(text: str) -> str:
    """Returns the scheme of a URL, empty for any other text, such as one with an unmatched bracket."""
    try:
        return urlsplit(text).scheme
    except ValueError:
        return ""


def without_secrets(url: str) -> str:
    """Returns a URL for a file that others read: without a password or token, and what stands before it."""
    head, slashes, rest = url.partition("://")
    person, at, _ = rest.partition("/")[0].rpartition("@")
    has_secret = at and (":" in person or head in ("http", "https"))
    return f"{head}{slashes}{rest.removeprefix(f'{person}@')}" if has_secret else url


def name_of(url: str) -> str:
    """Returns what a clone of a repository is called, as git does."""
    return re.split("[/:]", url.rstrip("/").removesuffix("/.git"))[-1].removesuffix(".git")


def full_url(written: str, base: str) -> str:
    """Returns the full URL for a `git:` text.

    Args: `base` is the URL of the pipeline repository's origin; `./x` and `../x` are relative to it as for
    submodules (https://git-scm.com/docs/git-submodule), so that they also work for forks.
    """
    if written.startswith(_GITHUB):
        return f"https://github.com/{written.removeprefix(_GITHUB)}"
    if not written.startswith(("./", "../")):
        return written
    base, rest, separator = base.rstrip("/"), written, "/"
    while True:
        if rest.startswith("./"):
            rest = rest[2:]
        elif rest.startswith("../"):
            rest = rest[3:]
            separator = "/" if "/" in base else ":"
            base = base.rpartition(separator)[0]
        else:
            return f"{base}{separator}{rest}"
