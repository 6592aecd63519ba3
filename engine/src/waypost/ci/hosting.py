"""The only access to a hosting service: GitHub, through its command `gh`, with the token in GH_TOKEN."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from waypost.ci.credentials import host
from waypost.compat.github_cli import is_absent
from waypost.errors import RemoteError, redacted
from waypost.system.process import ProcessError, output_of
from waypost.texts.json_text import read_json

_OF_GH = "GH_TOKEN"
_GITHUB = "https://github.com"
_SLUG = re.compile(r"[\w.-]+/[\w.-]+")
_MOST_SAID = 300


class AbsentError(RemoteError):
    """The requested object does not exist, or is not visible with this token."""


@dataclass(frozen=True)
class Published:
    """A release on the service; `assets` are sha256 (hex) by name, empty if the service does not tell."""

    is_draft: bool
    url: str
    assets: dict[str, str]


@dataclass(frozen=True)
class Host:
    """A repository on GitHub, as OWNER/NAME; `token` is the variable with its token, if set."""

    repository: str
    token: str = _OF_GH

    def release(self, tag: str) -> Published | None:
        """Returns the release of a tag, None if there is none; drafts are visible to tokens with write
        access.
        """
        try:
            found = self._json("release", "view", tag, "--json", "isDraft,url,assets")
        except AbsentError:
            return None
        assets = {
            str(asset["name"]): str(asset.get("digest") or "").removeprefix("sha256:")
            for asset in found["assets"]
        }
        return Published(bool(found["isDraft"]), str(found["url"]), assets)

    def is_published(self, tag: str) -> bool:
        """Tells whether the release of a tag is public."""
        found = self.release(tag)
        return found is not None and not found.is_draft

    def draft(self, tag: str, commit: str, title: str, notes: Path, assets: Iterable[Path]) -> None:
        """Creates a draft; its tag may not exist yet."""
        about = ["--title", title, "--notes-file", str(notes), "--target", commit]
        self._gh("release", "create", tag, "--draft", *about, *map(str, assets))

    def upload(self, tag: str, assets: Sequence[Path]) -> None:
        """Uploads assets to a draft, replacing those of the same name."""
        self._gh("release", "upload", tag, "--clobber", *map(str, assets))

    def drop(self, tag: str, asset: str) -> None:
        """Deletes an asset of a draft."""
        self._gh("release", "delete-asset", tag, asset, "--yes")

    def publish(self, tag: str) -> None:
        """Publishes a draft with an existing tag."""
        self._gh("release", "edit", tag, "--draft=false", "--verify-tag")

    def is_immutable(self, tag: str) -> bool:
        """Tells whether a published release is immutable."""
        name = quote(tag, safe="")  # a tag of a product in a folder may have a slash
        found = self._json("api", f"repos/{self.repository}/releases/tags/{name}", repository=False)
        return bool(found.get("immutable"))

    def attestation_problem(self, file: Path, signer: str = "") -> str:
        """Returns why no attestation proves the origin of a file, empty if one does.

        Args: `signer` is the repository of the reusable workflow that signed, if it is not this one.
        """
        by = ["--signer-repo", signer] if signer else []
        try:
            self._gh("attestation", "verify", str(file), *by)
        except RemoteError as error:
            return str(error)
        return ""

    def has_attestation(self, digest: str) -> bool:
        """Tells whether there is an attestation of a file, by its sha256 (hex)."""
        address = f"repos/{self.repository}/attestations/sha256:{digest}"
        try:
            return bool(self._json("api", address, repository=False)["attestations"])
        except AbsentError:
            return False

    def pull_request(self, branch: str) -> str:
        """Returns the URL of the open pull request from a branch of this repository, empty if there is none;
        a fork may have a branch of the same name.
        """
        found = self._json(
            *("pr", "list", "--head", branch, "--state", "open", "--json", "url,isCrossRepository")
        )
        return next((str(pull["url"]) for pull in found if not pull["isCrossRepository"]), "")

    def propose(self, branch: str, base: str, title: str, body: Path) -> str:
        """Opens a pull request; returns its URL."""
        about = ["--title", title, "--body-file", str(body)]
        return self._gh("pr", "create", "--head", branch, "--base", base, *about).strip()

    def describe(self, url: str, title: str, body: Path) -> None:
        """Replaces title and text of a pull request."""
        self._gh("pr", "edit", url, "--title", title, "--body-file", str(body))

    def _json(self, *arguments: str, repository: bool = True) -> Any:
        return read_json(self._gh(*arguments, repository=repository), "gh")

    def _gh(self, *arguments: str, repository: bool = True) -> str:
        """Returns the output of gh. Raises RemoteError with its message."""
        place = ["--repo", self.repository] if repository else []
        token = os.environ.get(self.token) or os.environ.get(_OF_GH, "")
        env = {**os.environ, "GH_PROMPT_DISABLED": "1", _OF_GH: token}
        try:
            return output_of(["gh", *arguments, *place], env=env)
        except ProcessError as error:
            words = redacted(" ".join(error.stderr.split()))[:_MOST_SAID]
            message = f"{self.repository}: gh {' '.join(arguments[:2])}: {words}"
            kind = AbsentError if is_absent(words) else RemoteError
            raise kind(message, hint=f"which rights has the token in {self.token}?") from error


def host_of(url: str, token: str = _OF_GH) -> Host | None:
    """Returns the GitHub repository of a git URL; None for other servers, or without gh."""
    slug = slug_of(url)
    return Host(slug, token) if slug and has_gh() else None


def library_host(to: str, origin: str) -> Host | None:
    """Returns the GitHub repository that receives a library, with the token that reads it: the library's,
    else that for components if it is for the same server, else the job's own.

    Without such a token, a private repository seems to have no releases.
    """
    server = host(to)
    of_components = host(os.environ.get("COMPONENTS_URL") or origin) == server
    names = ["LIBRARY_TOKEN", *(["COMPONENTS_TOKEN"] if of_components else [])]
    return host_of(to, next((name for name in names if os.environ.get(name)), _OF_GH))


def has_gh() -> bool:
    """Tells whether `gh` is on the PATH."""
    return shutil.which("gh") is not None


def slug_of(url: str) -> str:
    """Returns OWNER/NAME of a git URL on GitHub, empty for other servers."""
    server = os.environ.get("GITHUB_SERVER_URL", _GITHUB).rstrip("/")
    name = server.partition("://")[2]
    plain = redacted(url).removesuffix("/").removesuffix(".git")
    for start in (f"{server}/", f"git@{name}:", f"ssh://{name}/"):
        slug = plain.removeprefix(start)
        if slug != plain and is_slug(slug):
            return slug
    return ""


def is_slug(text: str) -> bool:
    """Tells whether a text has the form OWNER/NAME."""
    return _SLUG.fullmatch(text) is not None
