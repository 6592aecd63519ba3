"""What this machine saw of a remote; it is kept even if it disappears there later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from waypost.sources.files import write_text


@dataclass(frozen=True)
class Known:
    """`reached` are commits that a branch or a tag had; `records` the files that the default branch had in
    releases/, name to git's id; `yanked` the versions that it listed as yanked, with the reasons.
    """

    reached: tuple[str, ...] = ()
    records: Mapping[str, str] = field(default_factory=dict)
    yanked: Mapping[str, str] = field(default_factory=dict)

    def with_reached(self, commit: str) -> Self:
        """Returns it with one commit more."""
        return replace(self, reached=tuple(sorted({*self.reached, commit})))

    def with_records(self, records: Mapping[str, str], yanked: Mapping[str, str]) -> Self:
        """Returns it with what was not known yet: what was seen first stays."""
        return replace(self, records={**records, **self.records}, yanked={**yanked, **self.yanked})

    def lost(self, now: Mapping[str, str]) -> dict[str, str]:
        """Returns the records of the default branch that were removed or changed since."""
        return {
            name: "changed" if name in now else "removed"
            for name, oid in sorted(self.records.items())
            if now.get(name) != oid
        }


def read_known(folder: Path, inside: str = "") -> Known:
    """Returns what is known of the remote of a mirror; nothing where the file is damaged.

    Args: `inside` is the folder of the remote that it is about.
    """
    try:
        content = json.loads(_file(folder, inside).read_text(encoding="utf-8"))
        return Known(tuple(content["reached"]), dict(content["records"]), dict(content["yanked"]))
    except (OSError, ValueError, TypeError, KeyError):
        return Known()


def write_known(folder: Path, known: Known, inside: str = "") -> None:
    """Keeps what is known beside the mirror's objects. Raises WaypostError."""
    write_text(_file(folder, inside), json.dumps(asdict(known), sort_keys=True))


def _file(folder: Path, inside: str) -> Path:
    about = f"-{hashlib.sha256(inside.encode()).hexdigest()[:16]}" if inside else ""
    return folder / f"known{about}.json"
