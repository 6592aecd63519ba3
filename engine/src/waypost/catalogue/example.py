"""How a component is used, as text to copy: the exact pin, the call by stock MLflow."""

from __future__ import annotations

import re
import shlex

from waypost.catalogue.facts import UNRELEASED, Entry, Library
from waypost.contracts.component import EntryPoint, Parameter
from waypost.texts.escaping import one_line

_NOBODY = "URL-OF-THE-LIBRARY"
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*")


def pin_example(library: Library, entry: Entry) -> str:
    """Returns the lines of a pipeline.yaml that use a component in exactly its newest release."""
    source = (
        re.sub(r"[^a-z0-9_-]+", "-", library.slug.lower()).strip("-_").lstrip("-_0123456789") or "library"
    )
    version = entry.newest.commit if entry.newest.version == UNRELEASED else f"=={entry.newest.version}"
    step = re.sub(r"[^a-z0-9_-]+", "-", entry.name.lower()).strip("-_").lstrip("-_0123456789") or "step"
    lines = [
        "components:",
        f"  {source}:",
        f"    git: {_scalar(library.url or _NOBODY)}",
        *([f"    folder: {_scalar(library.folder)}"] if library.folder else []),
        f'    version: "{version}"',
        "steps:",
        f"  {step}:",
        f"    uses: {_scalar(f'{source}/{entry.name}')}",
    ]
    required = _required(entry.main)
    lines += (
        ["    with:", *(f"      {_scalar(n)}: ???{_remark(p)}" for n, p in required.items())]
        if required
        else []
    )
    return "\n".join(lines)


def mlflow_example(library: Library, entry: Entry) -> str:
    """Returns the command that runs a component by stock MLflow, from its repository."""
    version = entry.newest.tag or entry.newest.commit
    parameters = [f"-P {shlex.quote(f'{name}=…')}" for name in _required(entry.main)]
    inside = "/".join(filter(None, (library.folder, "" if entry.is_whole else entry.name)))
    target = shlex.quote(f"{library.url or _NOBODY}{inside and '#'}{inside}")
    return " ".join(["mlflow run", target, "-v", shlex.quote(version), *parameters])


def _required(main: EntryPoint | None) -> dict[str, Parameter]:
    return {name: p for name, p in main.parameters.items() if p.is_required} if main else {}


def _remark(parameter: Parameter) -> str:
    about = one_line(" ".join(parameter.description.split()))
    return f"  # {about}" if about else ""


def _scalar(text: str) -> str:
    """Returns a text as YAML has it: in quotes where it may mean something else."""
    plain = one_line(text)
    return plain if _PLAIN.fullmatch(plain) else '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
