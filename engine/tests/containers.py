"""A Containerfile without a container engine: each line executed in order below an empty folder.

A venv stands for the Python of the base image. `/opt` and `/tmp` mean folders below the root; the port that
is exposed is another one of this machine, as `podman run -p` has it. What a line may say is what stands here:
any other instruction fails.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uv import find_uv_bin

_ABSOLUTE = re.compile(r"(?<![\w./:-])/(?=(?:opt|tmp)\b)")
_CONTEXT_ONLY = {"FROM", "LABEL", "USER", "STOPSIGNAL"}  # what a venv has nothing of


@dataclass
class Built:
    """An image that was built: what it would run, where, with which variables."""

    root: Path
    arguments: dict[str, str]
    port: int
    variables: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()
    exposed: str = ""
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    said: dict[str, list[str]] = field(default_factory=dict)

    def mapped(self, text: str) -> str:
        """Returns a text with the image's paths and port as they are here."""
        text = _ABSOLUTE.sub(f"{self.root}/", text)
        return re.sub(rf"\b{self.exposed}\b", str(self.port), text) if self.exposed else text

    def process(self, command: list[str]) -> list[str]:
        return [self.mapped(word) for word in command]

    def environment(self, added: Mapping[str, str] | None = None) -> dict[str, str]:
        """Returns the variables of a process in the image, and no other."""
        given = {name: self.mapped(text) for name, text in self.variables.items()}
        path = f"{self.root / 'python' / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
        return {"PATH": path, **given, **(added or {})}


def build(context: Path, root: Path, port: int, file: Path | None = None, **arguments: str) -> Built:
    """Builds the Containerfile of a folder, or `file`; `arguments` are those of `--build-arg`."""
    made = Built(root, arguments, port)
    subprocess.run(
        [find_uv_bin(), "venv", "--quiet", "--seed", "--python", sys.executable, root / "python"], check=True
    )
    for name in ("opt", "tmp"):
        (root / name).mkdir()
    for instruction, rest in instructions((file or context / "Containerfile").read_text(encoding="utf-8")):
        made.said.setdefault(instruction, []).append(rest)
        if instruction not in _CONTEXT_ONLY:
            _DO[instruction](made, rest, context)
    return made


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Gives the instructions of a Containerfile, continued lines as one."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        instruction, _, rest = line.partition(" ")
        yield instruction, rest.strip()


def _argument(made: Built, rest: str, _: Path) -> None:
    name, default = rest.split("=", 1)
    made.arguments.setdefault(name, default)


def _workdir(made: Built, rest: str, _: Path) -> None:
    made.folder = Path(made.mapped(rest))
    made.folder.mkdir(parents=True)


def _copy(made: Built, rest: str, context: Path) -> None:
    """Copies what the context has, unless .dockerignore keeps it from the builder."""
    *sources, target = shlex.split(rest)
    folder: Path = made.folder / target
    lines = (context / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = tuple(line.removeprefix("!") for line in lines if line.startswith("!"))
    for source in sources:
        assert any(source == each or source.startswith(f"{each}/") for each in allowed), source
        if (context / source).is_dir():
            shutil.copytree(context / source, folder)
        else:
            shutil.copy2(context / source, folder / Path(source).name if target.endswith("/") else folder)


def _run(made: Built, rest: str, _: Path) -> None:
    outside = {name: text for name, text in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
    env = made.environment({**outside, "HOME": str(made.root / "tmp"), **made.arguments})
    done = subprocess.run(
        ["/bin/sh", "-c", rest], cwd=made.folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (rest, done.stdout, done.stderr)


def _env(made: Built, rest: str, _: Path) -> None:
    made.variables |= dict(word.split("=", 1) for word in shlex.split(rest))


def _expose(made: Built, rest: str, _: Path) -> None:
    made.exposed = rest


def _health(made: Built, rest: str, _: Path) -> None:
    made.health = json.loads(rest.partition("CMD ")[2])


def _entrypoint(made: Built, rest: str, _: Path) -> None:
    made.entrypoint = json.loads(rest)


def _command(made: Built, rest: str, _: Path) -> None:
    made.command = json.loads(rest)


_DO = {
    "ARG": _argument,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "RUN": _run,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _health,
    "ENTRYPOINT": _entrypoint,
    "CMD": _command,
}
