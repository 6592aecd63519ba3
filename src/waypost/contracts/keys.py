"""The key of a step: a digest of everything that decides its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class StepInputs:
    """Everything that decides a step's result.

    `trees` are the git trees of the component's folder and its shared folders, `arguments` texts
    and, for files, `sha256:…` of their content; `environment` the digest of what is installed.
    """

    trees: Mapping[str, str]
    entry_point: str
    arguments: Mapping[str, str]
    environment: str
    platform: str


def step_key(inputs: StepInputs) -> str:
    """Returns the sha256 (hex) of the canonical JSON of the inputs."""
    text = json.dumps(asdict(inputs), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
