"""A bundle.json, and checks that an archive contains what it lists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from waypost.contracts.listing import MOST_BYTES, MOST_DEPTH, MOST_ENTRIES, MOST_FILE_BYTES
from waypost.contracts.names import FolderInside, ObjectId, Sha256, TagName, VersionText
from waypost.contracts.trees import link_problem, path_problem, shown
from waypost.errors import UsageError
from waypost.texts.json_text import read_json
from waypost.texts.parsing import Strict, parse

FILE = "bundle.json"
SCHEMA = 1
INSIDE = "repository"
MOST_MEMBERS = 500_000
MOST_FACTS_BYTES = 32 << 20
_ID = "[0-9a-f]{40}|[0-9a-f]{64}"
_TOPS = ("data", "trees", "wheels")
_DATA = re.compile(r"data/[0-9a-f]{16}")
_WHEEL = re.compile(r"wheels/[^/]+")
_TREE = re.compile(rf"trees/(?P<tree>{_ID})(/(?P<path>.+))?", re.DOTALL)


class Bundle(Strict):
    """`files` are sha256 (hex) by path; `release` is the tree with the repository, `data` files by source
    URL.
    """

    schema_: int = Field(default=SCHEMA, alias="schema")
    name: str
    version: VersionText
    tag: TagName
    commit: ObjectId
    url: str
    folder: FolderInside
    platform: str
    release: ObjectId
    files: dict[str, Sha256]
    data: dict[str, Annotated[str, StringConstraints(pattern=rf"^{_DATA.pattern}$")]]


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive: its `size` bytes start at `offset`, `target` is a link's target."""

    name: str
    kind: Literal["file", "folder", "link"]
    size: int = 0
    offset: int = 0
    is_program: bool = False
    target: bytes = b""


def parse_bundle(text: str) -> Bundle:
    """Parses a bundle.json. Raises ValueError, UsageError, FindingsError."""
    content = read_json(text, FILE)
    if not isinstance(content, dict):
        raise ValueError(f"{FILE} is not a mapping")
    schema = content.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:
        message = f"{FILE}: written by a newer Waypost (schema {schema}; this one reads {SCHEMA})"
        raise UsageError(message, hint="pip install --upgrade waypost")
    return parse(Bundle, content, FILE)


def data_path(url: str) -> str:
    """Returns the path in a bundle of the content of a URL."""
    return f"data/{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def members_problems(members: Iterable[Member]) -> Iterator[str]:
    """Yields problems with the members of an archive: names, kinds and sizes."""
    by_name: dict[str, Member] = {}
    for member in members:
        tree = _TREE.fullmatch(member.name)
        # The limit on path length applies to the path below the target folder.
        if problem := path_problem(tree["path"] or tree["tree"] if tree else member.name):
            yield f"{shown(member.name)} {problem}"
        elif member.name in by_name:
            yield f"{shown(member.name)} appears twice"
        elif member.kind != "file" and not _has_place(member):
            yield f"the {member.kind} {shown(member.name)} does not belong in a bundle"
        else:
            by_name[member.name] = member
    for member in by_name.values():
        parent = member.name.rpartition("/")[0]
        if parent and (parent not in by_name or by_name[parent].kind != "folder"):
            yield f"{shown(member.name)} is not in a folder of the archive"
    yield from _tree_problems(by_name)


def _has_place(member: Member) -> bool:
    """Returns whether a folder or link is allowed at its path."""
    tree = _TREE.fullmatch(member.name)
    if member.kind == "link":
        return bool(tree and tree["path"])
    return tree is not None or member.name in _TOPS


def _is_place_of_file(path: str) -> bool:
    tree = _TREE.fullmatch(path)
    return bool((tree and tree["path"]) or _DATA.fullmatch(path) or _WHEEL.fullmatch(path))


def _tree_problems(members: Mapping[str, Member]) -> Iterator[str]:
    """Yields problems with the trees: links that lead out of them, and too many files or bytes."""
    tops: dict[str, set[str]] = {}
    counts: dict[str, list[int]] = {}
    inside = [(hit["tree"], hit["path"], m) for n, m in members.items() if (hit := _TREE.fullmatch(n))]
    for tree, path, member in inside:
        count = counts.setdefault(tree, [0, 0])
        if path:
            tops.setdefault(tree, set()).add(path.partition("/")[0])
            count[:] = count[0] + 1, count[1] + member.size
        if (path and path.count("/") > MOST_DEPTH) or member.size > MOST_FILE_BYTES:
            yield f"{shown(member.name)} is deeper or larger than the limits for unpacking"
    for tree, path, member in inside:
        if member.kind == "link" and (problem := link_problem(path, member.target, tops[tree])):
            yield f"{shown(member.name)} {problem}"
    for tree, (count_of, size) in counts.items():
        if count_of > MOST_ENTRIES or size > MOST_BYTES:
            yield f"trees/{tree} has more or larger files than the limits for unpacking"


def content_problems(facts: Bundle, members: Collection[Member]) -> Iterator[str]:
    """Yields differences between the archive and its bundle.json, and contradictions in the latter."""
    files = {m.name for m in members if m.kind == "file"} - {FILE}
    yield from (f"{_plain(path)} is missing" for path in facts.files if path not in files)
    yield from (f"{_plain(path)} is not listed" for path in sorted(files - facts.files.keys()))
    for path in facts.files:
        if not _is_place_of_file(path):
            yield f"{_plain(path)} does not belong in a bundle"
    for url, path in facts.data.items():
        if path != data_path(url) or path not in facts.files:
            yield f"{path} is not the data of {shown(url)}"
    of_urls = {data_path(url) for url in facts.data}
    yield from (
        f"{p} does not belong to any URL" for p in sorted(files) if _DATA.fullmatch(p) and p not in of_urls
    )
    if not any(m.name == f"trees/{facts.release}/{INSIDE}" and m.kind == "folder" for m in members):
        yield f"the tree of the release, {facts.release}, is missing"


def _plain(path: str) -> str:
    return path if path.isprintable() and len(path) < 200 else shown(path)
