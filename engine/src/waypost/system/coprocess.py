"""A process that answers requests through pipes, as `git cat-file --batch` does."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

from waypost.system.ending import GRACE_SECONDS
from waypost.system.process import ProcessError


class Coprocess:
    """A process that answers requests through pipes, as `git cat-file --batch` does; started on first use.

    A request may not exceed what a pipe holds (64 KiB): it may block until its answers are read. It never
    outlives this process, even one killed with -9: it ends at the end of its stdin.
    """

    def __init__(self, arguments: Sequence[str], *, env: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def ask(self, data: bytes) -> IO[bytes]:
        """Writes a request; returns the stream to read the answer from. Raises ProcessError if the process
        has ended.
        """
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `end`)
            self._process = subprocess.Popen(
                self._arguments,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("a process without pipes")
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            raise self.failure() from None
        return self._process.stdout

    def failure(self) -> ProcessError:
        """Returns the process's error output as an error, and ends it."""
        words = b""
        if self._process and self._errors:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
            self._errors.seek(0)
            words = self._errors.read(1 << 16)
        code = self._process.returncode if self._process else -1
        self.end()
        return ProcessError(self._arguments, -1 if code is None else code, words.decode(errors="replace"))

    def end(self) -> None:
        """Ends it; the next request starts a new one."""
        process, self._process = self._process, None
        errors, self._errors = self._errors, None
        if process:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()
        if errors:
            errors.close()
