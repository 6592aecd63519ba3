"""What is asked of a run, as one value, by whomever: the command line or Python."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from waypost.contracts.target import Target, parse_target
from waypost.errors import UsageError
from waypost.runs.no_op import Request


@dataclass(frozen=True)
class RunRequest:
    """What is asked of a run, in the words of `waypost run --help`. `folder` may be a bundle's file; a
    release is a `target`. RunRequest() asks for the pipeline in the current folder, and for nothing else.
    """

    folder: Path = Path()
    target: Target | None = None
    like: str = ""
    files: tuple[Path, ...] = ()
    changes: tuple[str, ...] = ()
    env: str = "uv"
    jobs: int | None = None
    worker: str | None = None
    steps: str = ""
    start: str | None = None
    force: str = ""
    resume: bool = False
    no_cache: bool = False
    explain: bool = False
    dev: bool = False
    offline: bool = False
    frozen: bool = False
    dry_run: bool = False
    verify: bool = False
    wandb: bool | None = None
    debug: bool = False
    as_json: bool = False
    on: str | None = None
    wait: float = 60.0
    upload: bool = False
    tls_ca_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @cached_property
    def quick(self) -> Request | None:
        """What an earlier run may have answered already; None where something else is asked for, too."""
        shown = replace(self, jobs=None, worker=None, as_json=False)  # these change no answer
        plain = RunRequest(self.folder, files=self.files, changes=self.changes, env=self.env)
        if shown != plain or self.folder.is_file():
            return None
        return Request(self.folder, self.files, self.changes, self.env)

    def refuse_opposites(self) -> None:
        """Raises UsageError where two options ask for opposite things."""
        if self.resume and (self.steps or self.start):
            raise UsageError("--resume goes without --steps and --from")
        if self.verify and self.offline:
            raise UsageError("--verify asks the remotes, --offline does not: give one of them")
        if self.frozen and self.dev:
            raise UsageError("--frozen runs locked content, --dev does not: give one of them")


def pointed(arguments: Sequence[str]) -> tuple[Target | None, Path, list[str]]:
    """Returns (release, folder, overrides) of a command line: the first argument is one of the first two,
    unless it looks like k=v. Raises UsageError.
    """
    if not arguments or Path(arguments[0]).exists():
        return None, Path(arguments[0] if arguments else "."), list(arguments[1:])
    if re.match(r"\+?[^=/@:]+=", arguments[0]):
        return None, Path(), list(arguments)
    return parse_target(arguments[0], str(Path.cwd())), Path(arguments[0]), list(arguments[1:])
