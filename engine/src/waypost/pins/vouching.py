"""Is a component library's tag what its default branch records, and signed as somebody asks for?"""

from __future__ import annotations

from dataclasses import replace

from waypost.errors import Finding
from waypost.pins.attestation import recorded_findings
from waypost.pins.signing import signature_findings
from waypost.pins.workspace import Workspace


def library_findings(workspace: Workspace, source: str, tag: str, version: str, commit: str) -> list[Finding]:
    """Returns why the tag of a release should not be locked; the mirror has what the default branch has now.

    Raises RemoteError, and FindingsError where a record or a policy cannot be read.
    """
    mirror = workspace.mirror(source)
    found = recorded_findings(mirror, tag, version, commit)
    found += signature_findings(mirror, tag, commit, workspace.signers(source))
    return [replace(finding, place=f"{source} {finding.place}") for finding in found]
