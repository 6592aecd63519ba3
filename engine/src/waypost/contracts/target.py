"""The target of `waypost run` and `reproduce`: a release in a git repository."""

from __future__ import annotations

import re
from dataclasses import dataclass

from waypost.contracts.trees import path_problem, shown
from waypost.contracts.urls import full_url, url_problem
from waypost.errors import UsageError, redacted


@dataclass(frozen=True)
class Target:
    """`URL[#folder]@VERSION`: a version, a specifier, `latest` or a commit of a repository."""

    url: str
    folder: str
    version: str

    def __str__(self) -> str:
        return self.at("latest" if self.version == "*" else self.version)

    def at(self, version: str) -> str:
        """Returns the text of the target at a version, without credentials."""
        return redacted(f"{self.url}{self.folder and '#'}{self.folder}@{version}")


def library_target(text: str, here: str) -> Target | None:
    """Returns the target `URL[#folder][@VERSION]`, without a version the newest release; None as below."""
    has_version = "@" in re.split("[/:]", text)[-1]
    return parse_target(text if has_version else f"{text}@latest", here)


def parse_target(text: str, here: str) -> Target | None:
    """Returns the target, None if the text is not a URL; `here` is the base folder of relative paths.

    Raises UsageError for a URL without a version.
    """
    head, at, version = text.rpartition("@")
    if at and head and not set(version) & set("/:#") and not url_problem(head.partition("#")[0]):
        url, _, folder = head.partition("#")
        folder = folder.strip("/")
        if folder and (problem := path_problem(folder)):
            raise UsageError(f"{redacted(text)}: the folder {shown(folder)} {problem}")
        return Target(full_url(url, here), folder, "*" if version == "latest" else version)
    if "://" in text or text.startswith("github:"):
        raise UsageError(f"{redacted(text)}: which version?", hint="URL@1.4.13, URL@~=1.4 or URL@latest")
    return None
