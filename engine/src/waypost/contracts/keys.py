"""The key of a step: a digest of everything that decides its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from waypost.errors import FindingsError, redacted
from waypost.texts.canonical_yaml import flat
from waypost.texts.digests import digest_of
from waypost.texts.parsing import load_mapping

_SHOWN = 60  # characters of a value shown in an explanation


@dataclass(frozen=True)
class StepInputs:
    """Everything that decides a step's result.

    `trees` are the git trees of the component's folder and its shared code folders, `arguments` texts and,
    for files, `sha256:…` of their content; `environment` the digest of the installed packages; `variables`
    the digests of the environment variables that the component declares.
    """

    trees: Mapping[str, str]
    entry_point: str
    arguments: Mapping[str, str]
    environment: str
    platform: str
    variables: Mapping[str, str]

    @property
    def key(self) -> str:
        """The sha256 (hex) of the canonical JSON of the inputs."""
        return digest_of(asdict(self))

    def shown(self) -> dict[str, Any]:
        """Returns the inputs without credentials, to be kept for explaining a difference."""
        return asdict(self) | {"arguments": {name: redacted(text) for name, text in self.arguments.items()}}


@dataclass(frozen=True)
class FinishedStep:
    """A finished child run: the digests of its outputs, and their paths if local.

    `inputs` are what its key was made of, `seconds` and `memory` (bytes, peak) its usage, `user` is who
    computed it.
    """

    run_id: str
    digests: Mapping[str, str]
    paths: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    memory: int = 0
    user: str = ""


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Returns as text why two steps with these inputs (from `StepInputs.shown`) have different keys."""
    return "; ".join(_differences(old, new))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in _changed(old["trees"], new["trees"]):
        was, now = (side["trees"].get(name, "")[:12] or "nothing" for side in (old, new))
        yield f"the code of {name} changed: {was} → {now}"
    if old["entry_point"] != new["entry_point"]:
        yield "its command changed"
    for name in _changed(old["arguments"], new["arguments"]):
        was, now = old["arguments"].get(name), new["arguments"].get(name)
        if was is None or now is None:
            yield f"parameter {name} is {'new' if was is None else 'gone'}"
        elif now.startswith("sha256:") and was.startswith("sha256:"):
            yield f"input {name} changed"
        else:
            yield from value_differences(name, was, now)
    for key, text in (("environment", "the environment changed"), ("platform", "the platform changed")):
        if old[key] != new[key]:
            yield text
    yield from (f"the variable {name} changed" for name in _changed(old["variables"], new["variables"]))


def value_differences(name: str, was: str, now: str) -> Iterator[str]:
    """Yields how a value changed; if it is a mapping written to a file, how its values did."""
    try:
        before, after = (flat(load_mapping(text, name)) for text in (was, now))
    except FindingsError:
        yield f"{name}: {_short(was)} → {_short(now)}"
        return
    for key in _changed(before, after):
        yield f"{name}.{key}: {_short(before.get(key, 'nothing'))} → {_short(after.get(key, 'nothing'))}"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return (line[:_SHOWN] + "…" if len(line) > _SHOWN else line) or "''"
