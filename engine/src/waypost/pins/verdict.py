"""What a check of a lock found."""

from __future__ import annotations

from dataclasses import dataclass, field

from waypost.contracts.lock import Lock
from waypost.errors import Finding, IntegrityError, RemoteError

UNREACHABLE = "unreachable"


@dataclass
class Verdict:
    """What a check found; `asked` are the remotes that answered, `unchecked` what could not be looked at."""

    lock: Lock | None = None
    findings: list[Finding] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all is well, 4 something is not what the lock says, 3 something could not be looked at."""
        if any(finding.category != UNREACHABLE for finding in self.findings):
            return IntegrityError.exit_code
        return RemoteError.exit_code if self.findings or self.unchecked else 0
