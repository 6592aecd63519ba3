"""The lock of a new environment, which uv resolves: one version of each package, with its hashes."""

from __future__ import annotations

import platform

from waypost.errors import WaypostError
from waypost.system.process import ProcessError, output_of
from waypost.system.scratch import scratch

SOURCE, LOCK = "requirements.in", "requirements.txt"
_OPTIONS = ("--generate-hashes", "--universal", "--no-header", "--no-annotate", "--no-emit-index-url")
_MOST = 300


def python_version() -> str:
    """Returns the minor version of Python that new environments are made for: this one."""
    return ".".join(platform.python_version_tuple()[:2])


def lock_command(folder: str) -> str:
    """Returns the command that writes the lock of a folder, as people type it."""
    options = " ".join([*_OPTIONS, "--python-version", python_version()])
    return f"uv pip compile {options} {folder}/{SOURCE} -o {folder}/{LOCK}"


def locked(requirements: str) -> str:
    """Returns the lock of some requirements. Raises WaypostError where uv finds none."""
    from uv import find_uv_bin

    with scratch() as temp:
        (temp / SOURCE).write_text(requirements, encoding="utf-8")
        command = [find_uv_bin(), "pip", "compile", "--quiet", *_OPTIONS, "--no-build"]
        try:
            output_of([*command, "--python-version", python_version(), SOURCE, "-o", LOCK], cwd=temp)
        except ProcessError as error:
            words = " ".join(error.stderr.split())[:_MOST]
            hint = "it needs a package index, once; nothing was written"
            raise WaypostError(f"the environment has no lock: {words}", hint=hint) from error
        return (temp / LOCK).read_text(encoding="utf-8")
