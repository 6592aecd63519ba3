"""The one door to a hosting service: GitHub, by its own command `gh`, which finds its token in GH_TOKEN."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """What was asked for is not there, or not to be seen with this token."""


@dataclass(frozen=True)
class Published:
    """A release there; `assets` are their sha256 (hex) by name, empty where the service does not say them."""

    is_draft: bool
    url: str
    assets: dict[str, str]


@dataclass(frozen=True)
class Host:
    """A repository on GitHub, as OWNER/NAME; `token` is the variable with its token, where that has one."""

    repository: str
    token: str = _OF_GH

    def release(self, tag: str) -> Published | None:
        """Returns the release of a tag, a draft too where the token may write; None where there is none."""
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
        """Tells whether everybody sees the release of a tag."""
        found = self.release(tag)
        return found is not None and not found.is_draft

    def draft(self, tag: str, commit: str, title: str, notes: Path, assets: Iterable[Path]) -> None:
        """Makes a draft; its tag need not be there yet."""
        about = ["--title", title, "--notes-file", str(notes), "--target", commit]
        self._gh("release", "create", tag, "--draft", *about, *map(str, assets))

    def upload(self, tag: str, assets: Sequence[Path]) -> None:
        """Gives a draft assets; those of the same names are replaced."""
        self._gh("release", "upload", tag, "--clobber", *map(str, assets))

    def drop(self, tag: str, asset: str) -> None:
        """Takes an asset from a draft."""
        self._gh("release", "delete-asset", tag, asset, "--yes")

    def publish(self, tag: str) -> None:
        """Lets everybody see a draft; its tag is there."""
        self._gh("release", "edit", tag, "--draft=false", "--verify-tag")

    def is_immutable(self, tag: str) -> bool:
        """Tells whether nobody can change a published release any more."""
        found = self._json("api", f"repos/{self.repository}/releases/tags/{tag}", repository=False)
        return bool(found.get("immutable"))

    def attestation_problem(self, file: Path, signer: str = "") -> str:
        """Returns why no attestation proves which workflow made a file, empty where one does.

        Args: `signer` is the repository of a reusable workflow that signed, where it is not this one.
        """
        by = ["--signer-repo", signer] if signer else []
        try:
            self._gh("attestation", "verify", str(file), *by)
        except RemoteError as error:
            return str(error)
        return ""

    def has_attestation(self, digest: str) -> bool:
        """Tells whether anything is attested of a file with a sha256 (hex)."""
        address = f"repos/{self.repository}/attestations/sha256:{digest}"
        try:
            return bool(self._json("api", address, repository=False)["attestations"])
        except AbsentError:
            return False

    def pull_request(self, branch: str) -> str:
        """Returns the URL of the open pull request from a branch, empty where there is none."""
        found = self._json("pr", "list", "--head", branch, "--state", "open", "--json", "url")
        return str(found[0]["url"]) if found else ""

    def propose(self, branch: str, base: str, title: str, body: Path) -> str:
        """Opens a pull request; returns its URL."""
        about = ["--title", title, "--body-file", str(body)]
        return self._gh("pr", "create", "--head", branch, "--base", base, *about).strip()

    def describe(self, branch: str, title: str, body: Path) -> None:
        """Gives the pull request from a branch another title and text."""
        self._gh("pr", "edit", branch, "--title", title, "--body-file", str(body))

    def _json(self, *arguments: str, repository: bool = True) -> Any:
        return read_json(self._gh(*arguments, repository=repository), "gh")

    def _gh(self, *arguments: str, repository: bool = True) -> str:
        """Returns what gh says. Raises RemoteError with its words."""
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
    """Returns the repository on GitHub that a git URL names; None for another place, and without gh."""
    slug = slug_of(url)
    return Host(slug, token) if slug and has_gh() else None


def library_host(to: str, origin: str) -> Host | None:
    """Returns the repository on GitHub that a library is given to: looked at with the token that may write
    there, else with that for components, where it is for that server; else with the job's own.

    Without a token that sees it, a private repository has no release.
    """
    server = host(to)
    of_components = host(os.environ.get("COMPONENTS_URL") or origin) == server
    names = ["LIBRARY_TOKEN", *(["COMPONENTS_TOKEN"] if of_components else [])]
    return host_of(to, next((name for name in names if os.environ.get(name)), _OF_GH))


def has_gh() -> bool:
    """Tells whether GitHub's command is on the PATH."""
    return shutil.which("gh") is not None


def slug_of(url: str) -> str:
    """Returns OWNER/NAME of the repository on GitHub that a git URL names, empty for another place."""
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
