"""The user's settings for all pipelines of a machine: files in the platform's settings folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from waypost.contracts.signers import FILE, Policy, covering, parse_signers
from waypost.errors import Finding, FindingsError
from waypost.sources import git
from waypost.sources.files import read_text

_SIGNERS = "WAYPOST_SIGNERS"
_OF_GIT = "gpg.ssh.allowedSignersFile"


def signers_of(url: str) -> Policy | None:
    """Returns whose signatures the user asks for from a repository, None where the user asks for none.

    Raises FindingsError where that cannot be read: a policy that is lost is not one that was never made.
    """
    given = os.environ.get(_SIGNERS)
    file = Path(given or Path(platformdirs.user_config_dir("waypost"), FILE)).absolute()
    if not given and not os.path.lexists(file):
        return None
    signers = parse_signers(_text(file, f"it is named by {_SIGNERS}" if given else ""), str(file))
    place = covering(url, signers)
    return None if place is None else read_keys(file.parent, signers[place], str(file))


def signers_of_git() -> Policy | None:
    """Returns whose signatures the user's git takes (`gpg.ssh.allowedSignersFile`), None where it is not set.

    Raises FindingsError where the file cannot be read.
    """
    name = git.setting(Path(), _OF_GIT)
    return read_keys(Path(), name, f"git config {_OF_GIT}") if name else None


def read_keys(folder: Path, name: str, where: str) -> Policy:
    """Returns the keys in a file, relative to a folder; `where` says who names it. Raises FindingsError."""
    file = folder / Path(name).expanduser()
    return Policy(_text(file, f"it is named by {where}"), str(file))


def _text(file: Path, hint: str) -> str:
    if not file.is_file():
        raise FindingsError([Finding(str(file), "there is no such file", hint)])
    return read_text(file)
