"""Locks of Python packages, resolved by uv: one version of each, with hashes."""

from __future__ import annotations

import platform

from waypost.system.scratch import scratch
from waypost.system.uv import uv

OPTIONS = ("--generate-hashes", "--universal", "--no-header", "--no-annotate", "--no-emit-index-url")


def python_version() -> str:
    """Returns the running Python's minor version, such as 3.11."""
    return ".".join(platform.python_version_tuple()[:2])


def locked(requirements: str, *, kept: str = "", may_build: bool = False) -> str:
    """Returns the lock of requirements for this minor version of Python.

    Args: `kept` is a lock whose versions stay if they fit; with `may_build`, source distributions may run
    code to report their requirements. Raises ProcessError with uv's output.
    """
    with scratch() as temp:
        source, target = temp / "requirements.in", temp / "requirements.txt"
        source.write_text(requirements, encoding="utf-8")
        if kept:
            target.write_text(kept, encoding="utf-8")
        build = () if may_build else ("--no-build",)
        command = ["pip", "compile", "--quiet", *OPTIONS, *build]
        files = ["--output-file", str(target), str(source)]
        uv(*command, "--python-version", python_version(), *files, supervised=True)
        return target.read_text(encoding="utf-8")
