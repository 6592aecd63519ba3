"""Whose signatures tags need, by repository, and what a tag says before its signature is looked at."""

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
"""Where the default branch of a repository says who signs its tags; records leave this folder out."""
UNSIGNED, WRONG = "tag-unsigned", "signature-wrong"
_SCP_LIKE = re.compile(r"(?:[^/:\s]+@)?(\[[\w:.%]+\]|[^/:\s\[\]]+):(?!//)(.*)")
# As git finds them (gpg-interface.c): the last line that begins so is where the signature begins.
_ARMOURS = {
    b"-----BEGIN SSH SIGNATURE-----": "ssh",
    b"-----BEGIN PGP SIGNATURE-----": "OpenPGP",
    b"-----BEGIN PGP MESSAGE-----": "OpenPGP",
    b"-----BEGIN SIGNED MESSAGE-----": "X.509",
}


@dataclass(frozen=True)
class Policy:
    """Whose signatures count: `keys` as a file of ssh-keygen has them (its manual: ALLOWED SIGNERS), and the
    file's name.
    """

    keys: str
    origin: str


@dataclass(frozen=True)
class TagObject:
    """An annotated tag: its own name, the id and the kind of what it names, the form of its signature."""

    name: str
    target: str
    kind: str
    form: str = ""


class _Signers(RootModel[dict[str, str]]):
    """signers.yaml: repositories, or folders of them, and the file with the keys that count for each."""


def parse_signers(text: str, file: str) -> dict[str, str]:
    """Returns the files with keys by repository. Raises FindingsError."""
    return parse(_Signers, load_mapping(text, file), file).root


def covering(url: str, places: Iterable[str]) -> str | None:
    """Returns the place that says most precisely whose signatures a repository's tags need, None if none
    speaks of it.
    """
    where = _parts(url)
    known = {place: [] if place == EVERYTHING else _parts(place) for place in places}
    fitting = [place for place, parts in known.items() if where[: len(parts)] == parts]
    return max(fitting, key=lambda place: len(known[place]), default=None)


def _parts(url: str) -> list[str]:
    """Returns host and folders of a repository, the same ones however it is written and reached.

    A policy that covers too much is seen at once, one that another spelling escapes is not: schemes, users,
    ports and case make no difference.
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
    """Returns what a tag object says of itself. Raises ValueError for one that git would not write."""
    hit = re.match(rb"object ([0-9a-f]+)\ntype ([a-z]+)\ntag ([^\n]*)\n", body)
    if hit is None:
        raise ValueError("it is no tag object of git's")
    target, kind, name = (part.decode(errors="replace") for part in hit.groups())
    begun = [form for line in body.split(b"\n") for mark, form in _ARMOURS.items() if line.startswith(mark)]
    return TagObject(name, target, kind, begun[-1] if begun else "")


def object_findings(tag: str, commit: str, found: TagObject | None, policy: Policy) -> Iterator[Finding]:
    """Yields why a tag's signature need not be looked at: there is none, or it is not this release's.

    Args: `found` is the tag's own object, None for a lightweight tag.
    """
    hint = (
        f"let an accepted signer sign it: git tag -s -f {tag} {commit[:12]}; accepted keys: {policy.origin}"
    )
    if found is None or not found.form:
        what = "the tag is a lightweight one" if found is None else "the tag is not signed"
        yield Finding(tag, f"{what}, and {policy.origin} asks for a signature", hint, UNSIGNED)
    elif found.name != tag:
        problem = f"what is signed is the tag {found.name}, under another name"
        yield Finding(tag, problem, "find out who pushed it", WRONG)
    elif (found.kind, found.target) != ("commit", commit):
        problem = f"what is signed names the {found.kind} {found.target[:12]}, not commit {commit[:12]}"
        yield Finding(tag, problem, "find out who pushed it", WRONG)
    elif found.form != "ssh":
        problem = f"the tag is signed with {found.form}: only signatures with ssh keys are looked at"
        yield Finding(tag, problem, f"git config gpg.format ssh; then {hint}", WRONG)
