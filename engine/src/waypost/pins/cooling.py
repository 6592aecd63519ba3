"""Releases that are too young to be taken by themselves, where a pipeline asks for a cooldown.

A release is as old as its commit or its tag, whichever is younger. That is what whoever made them says: it
holds back what was released in haste, and what a day brings to light, not somebody who dates a release back.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from packaging.version import Version

from waypost.contracts.cooldown import day_of, is_asked_by_name, is_security_release, seconds_of
from waypost.contracts.versions import Release, Requirement
from waypost.interfaces.changelog import lines_between
from waypost.pins.workspace import Workspace
from waypost.sources import git
from waypost.sources.mirror import Mirror

_CHANGELOG = "CHANGELOG.md"


@dataclass
class Cooling:
    """What waits, by source: the newest version that is too young, and the day from which on it is taken.

    `settled` are commits that are pinned already: nobody goes back because of their age.
    """

    workspace: Workspace
    settled: Collection[str] = ()
    waiting: dict[str, str] = field(default_factory=dict)

    def holds(self, mirror: Mirror, source: str, requirement: Requirement, release: Release) -> str:
        """Returns why a release that is here is too young, else an empty text. Raises RemoteError."""
        cooldown = self.workspace.pipeline.components[source].cooldown
        if not cooldown or release.commit in self.settled or is_asked_by_name(requirement, release.version):
            return ""
        ready = _moment(mirror, release) + seconds_of(cooldown)
        if ready <= time.time() or is_security_release(_notes(mirror, release)):
            return ""
        why = f"{release.version} until {day_of(ready)}"
        self.waiting.setdefault(source, why)
        return why


def _moment(mirror: Mirror, release: Release) -> float:
    """Returns when a release was made, as its commit and its tag say; the later one counts."""
    ref = mirror.tag_ref(release.tag, fetch=True)
    tagged = git.git(mirror.folder, "for-each-ref", "--format=%(taggerdate:unix)", ref).strip()
    form = ["log", "-1", "--format=%ct", "--end-of-options", release.commit]
    committed = git.git(mirror.folder, *form).strip()
    return max((float(text) for text in (tagged, committed) if text.isdecimal()), default=time.time())


def _notes(mirror: Mirror, release: Release) -> str:
    """Returns what the changelog in a release says of it, and of no other."""
    older = [r.version for r in mirror.releases() if r.version < release.version]
    text = mirror.text(mirror.path(_CHANGELOG), release.commit) or ""
    return lines_between(text, max(older, default=Version("0.dev0")), release.version)
