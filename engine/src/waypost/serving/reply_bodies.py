"""Bodies of replies: predictions, or errors of a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from waypost.inference.compiled import Answer
from waypost.inference.layout import TableError
from waypost.inference.limits import RequestError
from waypost.serving.json_tables import PROBABILITIES


def reply(answer: Answer, classes: Sequence[Any] | None, *, wants_probabilities: bool) -> bytes:
    """Returns the body of a reply: `predictions`, as in MLflow, and requested probabilities.

    Raises RequestError if a model has no probabilities.
    """
    content: dict[str, Any] = {"predictions": answer.predictions}
    if wants_probabilities:
        if classes is None or not answer.probabilities.shape[1]:
            raise RequestError("params: this model has no probabilities")
        content |= {"classes": classes, PROBABILITIES: answer.probabilities.tolist()}
    return orjson.dumps(content)


def error_reply(error: TableError) -> bytes:
    """Returns the body with the error of a request, and its position."""
    content: dict[str, Any] = {"error_code": "BAD_REQUEST", "message": str(error)}
    if error.hint:
        content["hint"] = error.hint
    if error.column:
        content["column"] = error.column
    if error.row is not None:
        content["row"] = error.row
    return orjson.dumps(content)
