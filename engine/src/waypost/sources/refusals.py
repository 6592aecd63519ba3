"""Errors of git servers and of the operating system: their causes, and the remedies."""

from __future__ import annotations

from waypost.compat.git import Refusal, bad_object, gist, refusal
from waypost.errors import IntegrityError, RemoteError, WaypostError, redacted
from waypost.system.process import ProcessError
from waypost.system.scratch import is_full

ATTEMPTS = 3
CACHE_HINT = "make room, or name another folder: WAYPOST_HOME; waypost cache gc removes what is used least"
_ROOM_HINT = (
    "make room, or name other folders for the cache (WAYPOST_HOME) and for temporary files (TMPDIR); "
    "waypost cache gc removes what is used least"
)
_MEANINGS: dict[Refusal | None, tuple[str, str]] = {
    Refusal.CUT_OFF: (f"the connection broke {ATTEMPTS} times: {{said}}", "try again later"),
    Refusal.CREDENTIALS: (
        "no access: the server asks for credentials, and git has none that it accepts",
        "private, or no such repository; set up a git credential helper",
    ),
    Refusal.ACCESS: ("no access: {said}", "does this account, token or key have read access?"),
    Refusal.NETWORK: ("no network: {said}", "what is in the cache runs offline"),
    Refusal.ABSENT: ("no such repository: {said}", "is the URL right?"),
    Refusal.REJECTED: (
        "it has changed in the meantime: {said}",
        "nothing is ever overwritten: merge it, or try again",
    ),
    Refusal.DECLINED: (
        "its rules refuse the push: {said}",
        "a protected branch takes a pull request: waypost ci release --pull-request",
    ),
    Refusal.FULL: ("the cache's disk is full: {said}", CACHE_HINT),
    Refusal.FOREIGN: (
        "git refuses this repository, since it belongs to another user",
        "if you trust it: git config --global --add safe.directory FOLDER",
    ),
    Refusal.HIDDEN: (
        "no such repository, or no access to it (the server does not tell which)",
        "is the URL right?",
    ),
}


class CommitGoneError(RemoteError):
    """The server does not have a commit, or does not serve it."""


class NoCommitError(CommitGoneError):
    """A tag of the server names no commit, but a file or a folder."""


class BadObjectError(RemoteError):
    """git refuses an object of the server; `kind` is git's word for what is wrong (git help fsck)."""

    exit_code = IntegrityError.exit_code

    def __init__(self, message: str, *, hint: str, kind: str) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


def meaning_of(url: str, error: ProcessError) -> RemoteError:
    """Returns the error for the cause that git's message describes."""
    shown, stderr = redacted(url), error.stderr
    said = gist(redacted(stderr))[:300]
    if bad := bad_object(stderr):
        message = f"{shown}: git refuses object {bad.oid} of it: {bad.words} ({bad.kind})"
        hint = "damaged or malicious; `git fsck` shows its owner what is wrong"
        return BadObjectError(message, hint=hint, kind=bad.kind)
    why = Refusal.NETWORK if error.timed_out else refusal(stderr)
    if why is Refusal.GONE:
        return CommitGoneError(f"{shown}: the repository does not have it: {said}")
    words, hint = _MEANINGS.get(why, ("git says: {said}", ""))
    return RemoteError(f"{shown}: {words.format(said=said)}", hint=hint)


def of_system(error: OSError) -> WaypostError:
    """Returns the error for what the operating system refuses, on one line without secrets, with a hint if a
    disk is full.
    """
    return WaypostError(redacted(" ".join(str(error).split())), hint=_ROOM_HINT if is_full(error) else "")
