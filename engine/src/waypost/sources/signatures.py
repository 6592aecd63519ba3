"""Signatures of tags, verified by git and ssh-keygen independent of the user's git settings."""

from __future__ import annotations

import shutil
from pathlib import Path

from waypost.compat.git import signature_words
from waypost.contracts.signers import TagObject, parse_tag
from waypost.errors import WaypostError
from waypost.sources.git import object_at
from waypost.sources.git_settings import git_environment
from waypost.sources.objects import Objects
from waypost.system.process import ProcessError, bytes_of
from waypost.system.scratch import scratch

_PROGRAM = "ssh-keygen"
# What of git's settings decides whether a signature counts. Nothing but ssh-keygen is ever started.
_SETTINGS = {
    "gpg.format": "ssh",
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": _PROGRAM,
    "gpg.ssh.revocationFile": "",
    "gpg.minTrustLevel": "fully",
}


def tag_object(repository: Path, ref: str) -> tuple[str, TagObject | None]:
    """Returns the id of the tag object behind a ref, and what it says; None where it is a commit's own.

    Raises ValueError for an object that is no tag of git's.
    """
    oid = object_at(repository, f"{ref}^{{tag}}")
    if oid is None:
        return "", None
    with Objects(repository) as objects:
        return oid, parse_tag(next(objects.tags([oid])))


def signature_problem(repository: Path, oid: str, keys: str) -> str:
    """Returns why git does not verify a tag's signature as one of the allowed keys', empty where it does.

    Raises WaypostError where there is no ssh-keygen to ask.
    """
    if shutil.which(_PROGRAM) is None:
        hint = "it is part of OpenSSH, 8.2 or newer"
        raise WaypostError(f"{_PROGRAM} is not installed: signatures cannot be looked at", hint=hint)
    with scratch() as temp:
        file = temp / "allowed_signers"
        file.write_text(keys, encoding="utf-8")
        env = git_environment({**_SETTINGS, "gpg.ssh.allowedSignersFile": str(file)})
        try:
            bytes_of(["git", "-C", str(repository), "verify-tag", oid], env=env)
        except ProcessError as error:
            return signature_words(error.stderr.replace(f"{file}:", "line "))
    return ""
