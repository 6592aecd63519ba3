"""The parts of a release as a CycloneDX 1.6 document: components by commit, packages by hashes."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.utils import canonicalize_name

from waypost.contracts.requirements import lines_of, requirements_in

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PINNED = re.compile(r"==\s*([^\s*,;]+)\Z")


@dataclass(frozen=True)
class Part:
    """A part of a release; `hashes` are sha256 (hex) of the files that may be installed, `commit` is
    git's.
    """

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    commit: str = ""

    @property
    def purl(self) -> str:
        """The package URL; a component of a pipeline has none."""
        return "" if self.commit else f"pkg:pypi/{self.name}@{self.version}"


def packages_in(texts: Iterable[str]) -> Iterator[Part]:
    """Yields the packages that locks pin, each version once; unpinned ones are skipped."""
    found: dict[tuple[str, str], set[str]] = {}
    for text in texts:
        for line in lines_of(text):
            for requirement in requirements_in(line):
                if hit := _PINNED.search(str(requirement.specifier)):
                    hashes = found.setdefault((canonicalize_name(requirement.name), hit[1]), set())
                    hashes.update(_HASH.findall(line))
    for (name, version), hashes in sorted(found.items()):
        yield Part(name, version, tuple(sorted(hashes)))


def sbom(name: str, version: str, parts: Iterable[Part]) -> dict[str, Any]:
    """Returns the document; the same for the same parts: its serial number is derived from them."""
    listed = [_component(part) for part in dict.fromkeys(parts)]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": "release", "name": name, "version": version}
        },
        "components": listed,
        "dependencies": [{"ref": "release", "dependsOn": sorted(part["bom-ref"] for part in listed)}],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {**content, "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32], version=4)}"}


def _component(part: Part) -> Mapping[str, Any]:
    found: dict[str, Any] = {"type": "library", "name": part.name, "version": part.version}
    found["bom-ref"] = part.purl or f"{part.name}@{part.version}"
    if part.purl:
        found["purl"] = part.purl
    if part.hashes:
        # Each is one of several files of that version, any of which may be installed.
        found["properties"] = [{"name": "waypost:lock:sha256", "value": digest} for digest in part.hashes]
    if part.commit:
        found["properties"] = [{"name": "waypost:commit", "value": part.commit}]
    return found
