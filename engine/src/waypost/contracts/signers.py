"""Required signatures of tags, by repository, and what a tag object says before its signature is verified."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from pydantic import RootModel

from waypost.errors import Finding
from waypost.texts.parsing import load_mapping, parse

FILE = "signers.yaml"
EVERYTHING = "*"
OF_REPOSITORY = "releases/allowed_signers"
"""The file on a repository's default branch with its tag signers; records leave this folder out."""
UNSIGNED, WRONG = "tag-unsigned", "signature-wrong"
_SCP_LIKE = re.compile(r"(?:[^/:\s]+@)?(\[[\w:.%]+\]|[^/:\s\[\]]+):(?!//)(.*)")
# As in git (gpg-interface.c): the signature begins at the last line with one of these prefixes.
_ARMOURS = {
    b"-----BEGIN SSH SIGNATURE-----": "ssh",
    b"-----BEGIN PGP SIGNATURE-----": "OpenPGP",
    b"-----BEGIN PGP MESSAGE-----": "OpenPGP",
    b"-----BEGIN SIGNED MESSAGE-----": "X.509",
}


@dataclass(frozen=True)
class Policy:
    """Accepted signatures: `keys` in the format of ssh-keygen (its manual: ALLOWED SIGNERS), and the file's
    name.
    """

    keys: str
    origin: str


@dataclass(frozen=True)
class TagObject:
    """An annotated tag: its own name, the id and kind of its target, the form of its signature."""

    name: str
    target: str
    kind: str
    form: str = ""


class _Signers(RootModel[dict[str, str]]):
    """signers.yaml: repositories, or folders of them, and the file with accepted keys for each."""


def parse_signers(text: str, file: str) -> dict[str, str]:
    """Returns the files with accepted keys by repository. Raises FindingsError."""
    return parse(_Signers, load_mapping(text, file), file).root


def covering(url: str, places: Iterable[str]) -> str | None:
    """Returns the most specific place that covers a repository, None if none does."""
    where = _parts(url)
    known = {place: [] if place == EVERYTHING else _parts(place) for place in places}
    fitting = [place for place, parts in known.items() if where[: len(parts)] == parts]
    return max(fitting, key=lambda place: len(known[place]), default=None)


def _parts(url: str) -> list[str]:
    """Returns host and folders of a repository, the same for all its spellings and protocols.

    A policy that covers too much is noticed, one that another spelling evades is not: schemes, users, ports
    and case make no difference.
    """
    _, is_url, rest = url.partition("://")
    if not is_url:
        hit = _SCP_LIKE.fullmatch(url)
        rest = f"{hit[1]}/{hit[2]}" if hit else url
    host, slash, path = rest.partition("/")
    host = re.sub(r":\d*$", "", host.rpartition("@")[2]).rstrip(".")
    path = posixpath.normpath(unquote(slash + path)).strip("/").removesuffix(".git")
    return [part for part in (host.lower(), *path.lower().split("/")) if part not in ("", ".")]


def parse_tag(body: bytes) -> TagObject:
    """Parses a tag object. Raises ValueError for one that git would not write."""
    hit = re.match(rb"object ([0-9a-f]+)\ntype ([a-z]+)\ntag ([^\n]*)\n", body)
    if hit is None:
        raise ValueError("it is not a git tag object")
    target, kind, name = (part.decode(errors="replace") for part in hit.groups())
    begun = [form for line in body.split(b"\n") for mark, form in _ARMOURS.items() if line.startswith(mark)]
    return TagObject(name, target, kind, begun[-1] if begun else "")


def object_findings(tag: str, commit: str, found: TagObject | None, policy: Policy) -> Iterator[Finding]:
    """Yields why a tag's signature need not be verified: there is none, or it is for something else.

    Args: `found` is the tag's own object, None for a lightweight tag.
    """
    hint = (
        f"have an accepted signer sign it: git tag -s -f {tag} {commit[:12]}; accepted keys: {policy.origin}"
    )
    if found is None or not found.form:
        what = "the tag is lightweight" if found is None else "the tag is not signed"
        yield Finding(tag, f"{what}, but {policy.origin} requires a signature", hint, UNSIGNED)
    elif found.name != tag:
        problem = f"the signature is for the tag {found.name}"
        yield Finding(tag, problem, "find out who pushed it", WRONG)
    elif (found.kind, found.target) != ("commit", commit):
        problem = f"the signature is for {found.kind} {found.target[:12]}, not for commit {commit[:12]}"
        yield Finding(tag, problem, "find out who pushed it", WRONG)
    elif found.form != "ssh":
        problem = f"the tag is signed with {found.form}: only ssh signatures are accepted"
        yield Finding(tag, problem, f"git config gpg.format ssh; then {hint}", WRONG)
