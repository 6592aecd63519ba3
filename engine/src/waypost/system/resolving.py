"""Locks of Python packages, which uv resolves: one version of each, with its hashes."""

from __future__ import annotations

import platform

from waypost.system.process import output_of
from waypost.system.scratch import scratch

OPTIONS = ("--generate-hashes", "--universal", "--no-header", "--no-annotate", "--no-emit-index-url")


def python_version() -> str:
    """Returns the minor version of Python that is here, such as 3.11."""
    return ".".join(platform.python_version_tuple()[:2])


def locked(requirements: str, *, kept: str = "", may_build: bool = False) -> str:
    """Returns the lock of some requirements for this minor version of Python.

    Args: `kept` is a lock whose versions stay where they fit; with `may_build`, source distributions may run
    code of their own to say what they require. Raises ProcessError with what uv said.
    """
    from uv import find_uv_bin

    with scratch() as temp:
        source, target = temp / "requirements.in", temp / "requirements.txt"
        source.write_text(requirements, encoding="utf-8")
        if kept:
            target.write_text(kept, encoding="utf-8")
        build = () if may_build else ("--no-build",)
        command = [find_uv_bin(), "pip", "compile", "--quiet", *OPTIONS, *build]
        files = ["--output-file", str(target), str(source)]
        output_of([*command, "--python-version", python_version(), *files], supervised=True)
        return target.read_text(encoding="utf-8")
