"""What a step's run says of its outputs that a report or a comparison reads: figures, and predictions."""

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
_MOST = 5000  # characters that every tracking server keeps of a tag


def output_tags(outputs: Mapping[str, Output]) -> dict[str, str]:
    """Returns the tag by which a step's run declares figures and predictions; none where it has none."""
    declared = {
        name: output.model_dump(exclude={"description"})
        for name, output in outputs.items()
        if output.type == TYPE or output.predictions
    }
    text = json.dumps(declared)
    return {TAG: text} if declared and len(text) <= _MOST else {}


def outputs_declared(tags: Mapping[str, str]) -> dict[str, Output]:
    """Returns what the tags of a step's run say of its outputs. Anybody may write a tag: one that does not
    read says nothing.
    """
    found: dict[str, Output] = {}
    with contextlib.suppress(FindingsError, ValidationError, AttributeError):
        entries = read_json(tags.get(TAG, "{}"), TAG).items()
        found |= {name: Output.model_validate(content) for name, content in entries}
    return found
