"""A delivery: a folder that a job without write permission makes for the job that has it.

The job that executes code of components has no token with write access; the job that has one executes no such
code. The folder is passed between them: `delivery.json`, the commits as a git bundle, the assets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from waypost.contracts.names import FolderInside, FolderName, ObjectId, Sha256, TagName
from waypost.errors import Finding, IntegrityError, UsageError
from waypost.sources import git
from waypost.sources.files import content_digest, read_text
from waypost.texts.json_text import read_json
from waypost.texts.parsing import Strict, parse
from waypost.texts.pretty_json import json_text

FILE = "delivery.json"
ASSETS = "assets"
_COMMITS = "commits.bundle"
_REF = "refs/heads/waypost/delivery"


class Delivery(Strict):
    """Content and destination of a delivery: the commits from `base` to `head`, for `branch`.

    For a release, `commit` gets the `tag`, `assets` are sha256 (hex) by name, `to` is the URL of a library's
    own repository. A pull request goes from `source` to `branch`; `body` is its text in Markdown.
    """

    schema_: int = Field(default=1, alias="schema")
    kind: Literal["release", "pull-request"]
    title: str
    body: str
    branch: TagName
    source: TagName
    base: ObjectId
    head: ObjectId
    folder: FolderInside = ""
    version: str = ""
    tag: TagName = ""
    commit: ObjectId | Literal[""] = ""
    notes: str = ""
    to: str = ""
    assets: dict[FolderName, Sha256] = {}


def write_delivery(delivery: Delivery, repository: Path, place: Path) -> None:
    """Writes a delivery with its commits, which `repository` contains; delivery.json is written last."""
    place.mkdir(parents=True, exist_ok=True)
    if delivery.head != delivery.base:
        git.git(repository, "update-ref", _REF, delivery.head)
        git.git(repository, "bundle", "create", "--quiet", str(place / _COMMITS), _REF, f"^{delivery.base}")
    content = delivery.model_dump(by_alias=True, mode="json")
    (place / FILE).write_text(json_text(content) + "\n", encoding="utf-8")


def read_delivery(place: Path) -> Delivery:
    """Reads a delivery and verifies its assets. Raises UsageError, FindingsError, IntegrityError."""
    file = place / FILE
    if not file.is_file():
        raise UsageError(f"{place}: no {FILE} there", hint="waypost ci prepare makes it")
    delivery = parse(Delivery, read_json(read_text(file), FILE), FILE)
    findings = [
        Finding(f"{ASSETS}/{name}", "it is not what was prepared", "", "tree-differs")
        for name, digest in delivery.assets.items()
        if not (place / ASSETS / name).is_file() or content_digest(place / ASSETS / name) != digest
    ]
    if findings:
        raise IntegrityError(findings, consequence="nothing was published")
    return delivery


def take_commits(delivery: Delivery, place: Path, repository: Path) -> None:
    """Fetches the commits of a delivery into a repository that contains their base."""
    if delivery.head != delivery.base:
        options = ["--quiet", "--no-tags", "--no-write-fetch-head"]
        git.git(repository, "fetch", *options, str(place.resolve() / _COMMITS), f"{_REF}:{_REF}")


def digests_of(assets: Path) -> dict[str, str]:
    """Returns the sha256 of each file in a folder, by name."""
    return {file.name: content_digest(file) for file in sorted(assets.iterdir())}
