"""Keys, and tags that are signed with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.repositories import Repository


class Signer:
    """Somebody with an ssh key."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key = folder / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self._key)]
        subprocess.run(command, check=True)
        kind, key, _ = self._key.with_suffix(".pub").read_text().split()
        self.line = f'{name}@example.org namespaces="git" {kind} {key}\n'

    def sign(self, repository: Repository, tag: str, of: str = "HEAD") -> None:
        """Makes a signed tag, whatever had its name before."""
        settings = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={self._key}"]
        repository.git(*settings, "tag", "-s", "-f", "-m", tag, tag, of)
