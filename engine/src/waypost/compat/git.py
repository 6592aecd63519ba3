"""git's English: it has no codes for why a server refuses, only words, its own, the server's and libcurl's.

Seen with git 2.39. Every git runs with LC_ALL=C, so that nothing is translated.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Refusal(Enum):
    """Why a remote did not give what was asked for."""

    FULL = "there is no room on this machine's disk"
    FOREIGN = "a repository here belongs to another user"
    REJECTED = "a push would overwrite what is there"
    DECLINED = "the server's rules forbid a push"
    GONE = "the server does not have a commit, or does not give it away"
    CUT_OFF = "the connection broke: to ask again may help"
    CREDENTIALS = "the server asks who we are, and git has no answer that it takes"
    ACCESS = "the server knows us, and says no"
    NETWORK = "there is no way to the server"
    ABSENT = "there is no such repository"
    HIDDEN = "no such repository or no access: the server does not tell which"


# In the order in which they are looked for: one message may have words of several.
_WORDS = {
    Refusal.FULL: ("No space left on device", "Disk quota exceeded"),
    Refusal.FOREIGN: ("dubious ownership",),
    Refusal.REJECTED: ("[rejected]",),
    Refusal.DECLINED: ("[remote rejected]",),
    Refusal.GONE: ("not our ref", "couldn't find remote ref", "unadvertised object", "bad object"),
    Refusal.CUT_OFF: (
        "early EOF",
        "hung up unexpectedly",
        "unexpected disconnect",
        "RPC failed",
        "error: 50",
        "error: 429",
    ),
    Refusal.CREDENTIALS: (
        "could not read Username",
        "could not read Password",
        "Authentication failed",
        "error: 401",
    ),
    Refusal.ACCESS: ("error: 403", "Permission denied", "Access denied", "HTTP Basic"),
    Refusal.NETWORK: (
        "Could not resolve",
        "unable to look up",
        "Failed to connect",
        "Couldn't connect",
        "unable to connect",
        "Connection refused",
        "Connection reset",
        "timed out",
        "No route to host",
        "Network is unreachable",
        "Operation too slow",
        "server certificate",
        "SSL",
    ),
    Refusal.ABSENT: ("not found", "does not appear to be a git repository", "does not exist", "error: 404"),
    Refusal.HIDDEN: ("access denied or repository not exported",),
}
_BAD_OBJECT = re.compile(
    r"(?:object |in (?:blob|tree|commit|tag) )(?P<oid>[0-9a-f]{40,64}): (?P<kind>[a-z]\w+): (?P<words>.*)"
)


# What ssh-keygen says of a signature that fits its tag, and what git adds where no allowed key made it.
_SIGNED_WITH = re.compile(r'Good "git" signature with (\S+ key \S+)')
_IN_ANY_CASE = ('Good "git" signature', "No principal matched", "Could not verify signature")
_FOREIGN = re.compile(r"dubious ownership in repository at '(?P<folder>.*)'")


class BadObject(NamedTuple):
    """An object that git refuses; `kind` is its word for what is wrong (`git help fsck`)."""

    oid: str
    kind: str
    words: str


def refusal(stderr: str) -> Refusal | None:
    """Returns why a remote refused, None where the words are not known."""
    return next((why for why, words in _WORDS.items() if any(word in stderr for word in words)), None)


def foreign_folder(stderr: str) -> str | None:
    """Returns the repository that git does not read, as it is another user's; None for other words."""
    found = _FOREIGN.search(stderr)
    return found["folder"] if found else None


def gist(stderr: str) -> str:
    """Returns git's words on a line, without its mark and the advice that it adds to whatever went wrong."""
    words = " ".join(stderr.replace("fatal: ", "").split())
    return words.partition(" Could not read from remote repository.")[0]


def signature_words(stderr: str) -> str:
    """Returns why `git verify-tag` refused an ssh signature: which key made it, and what is wrong; never
    nothing.
    """
    words = [line for line in stderr.splitlines() if line and not line.startswith(_IN_ANY_CASE)]
    key = _SIGNED_WITH.search(stderr)
    whose = [f"{key[1]} is none of the keys that count"] if key else []
    return "; ".join([*whose, *words]) or "git does not verify it"


def is_cut_off(stderr: str) -> bool:
    """Tells whether a connection broke, whatever else git says of it."""
    return any(word in stderr for word in _WORDS[Refusal.CUT_OFF])


def bad_object(stderr: str) -> BadObject | None:
    """Returns the object that `fetch.fsckObjects` or `git fsck` refused, None where it was not that."""
    found = _BAD_OBJECT.search(stderr)
    return BadObject(found["oid"], found["kind"], found["words"]) if found else None
