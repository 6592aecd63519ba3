"""A real `waypost serve` for tests, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

SERVE = [sys.executable, "-m", "waypost", "serve"]


@dataclass
class Server:
    """A server that runs; `errors` is what it said on stderr, `out` its access log."""

    process: subprocess.Popen[str]
    url: str = ""
    errors: list[str] = field(default_factory=list)
    out: Path = Path()

    def ask(self, content: Any, path: str = "/invocations", **options: Any) -> requests.Response:
        """Sends JSON and returns the reply."""
        return requests.post(f"{self.url}{path}", json=content, timeout=60, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=60, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it by a signal and returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def serving(
    model: str | Path, *options: str, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Runs `waypost serve MODEL` until the context ends."""
    out = cwd / "access.log"
    with out.open("w") as sink:
        process = subprocess.Popen(
            [*SERVE, str(model), "--port", "0", *options],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.PIPE,
            text=True,
        )
    server = Server(process, out=out)
    assert process.stderr
    for line in process.stderr:
        server.errors.append(line)
        if hit := re.search(r"at (https?://\S+)", line):
            server.url = hit[1]
            break
    try:
        assert server.url, "".join(server.errors)
        reader = threading.Thread(target=lambda: server.errors.extend(process.stderr or ()), daemon=True)
        reader.start()
        assert server.get("/ping").status_code == 200
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
