"""Outputs that a step's run declares for reports and comparisons: figures and predictions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping

from pydantic import ValidationError

from waypost.contracts.component import Output
from waypost.contracts.figures import TYPE
from waypost.errors import FindingsError
from waypost.texts.json_text import read_json

TAG = "waypost.outputs"
_MOST = 5000  # length limit of tags on every tracking server


def output_tags(outputs: Mapping[str, Output]) -> dict[str, str]:
    """Returns the tag that declares figures and predictions of a step's run; none if it has none."""
    declared = {
        name: output.model_dump(exclude={"description"})
        for name, output in outputs.items()
        if output.type == TYPE or output.predictions
    }
    text = json.dumps(declared)
    return {TAG: text} if declared and len(text) <= _MOST else {}


def outputs_declared(tags: Mapping[str, str]) -> dict[str, Output]:
    """Returns the outputs declared in the tags of a step's run. Anybody may write a tag: an unreadable one is
    ignored.
    """
    found: dict[str, Output] = {}
    with contextlib.suppress(FindingsError, ValidationError, AttributeError):
        entries = read_json(tags.get(TAG, "{}"), TAG).items()
        found |= {name: Output.model_validate(content) for name, content in entries}
    return found
