"""`POST /feedback`: the true labels of rows in earlier requests, by request ID."""

from __future__ import annotations

import math
from typing import Any

import orjson

from waypost.inference.limits import RequestError
from waypost.serving.prediction_log import Label

FEEDBACK = "/feedback"
_FORM = '{"request_id": "…", "labels": ["A", null]}, one label for each row, or a list of such objects'
_LONGEST_ID, _LONGEST_LABEL = 128, 1000


def labels_of(body: bytes, most: int) -> list[Label]:
    """Returns the labels of a body, up to a limit. Raises RequestError with the wrong one."""
    try:
        content = orjson.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is not valid JSON: {error}", hint=f"send {_FORM}") from error
    found: list[Label] = []
    for number, given in enumerate(content if isinstance(content, list) else [content]):
        place = f"item {number}: " if isinstance(content, list) else ""
        request, values = _parted(given, place)
        if len(found) + len(values) > most:
            raise RequestError(f"more than {most:,} labels", status=413, hint="send fewer at once")
        for row, value in enumerate(values):
            if value is not None:
                _check(value, f"{place}label {row}")
                found.append(Label(request, row, orjson.dumps(value).decode()))
    return found


def _parted(given: Any, place: str) -> tuple[str, list[Any]]:
    """Returns (request, its labels) of an object."""
    if not isinstance(given, dict):
        raise RequestError(f"{place}not an object", hint=f"send {_FORM}")
    for key in given:
        if key not in ("request_id", "labels", "label"):
            raise RequestError(f"{place}unknown key {key!r}", hint=f"send {_FORM}")
    request = given.get("request_id")
    if not isinstance(request, str) or not 0 < len(request) <= _LONGEST_ID or not request.isprintable():
        raise RequestError(f"{place}request_id is not the x-request-id of a reply", hint=f"send {_FORM}")
    if ("labels" in given) == ("label" in given):
        raise RequestError(f"{place}one of `labels` and `label` is needed", hint=f"send {_FORM}")
    values = given.get("labels", [given.get("label")])
    if not isinstance(values, list):
        raise RequestError(f"{place}`labels` is not an array", hint=f"send {_FORM}")
    return request, values


def _check(value: Any, place: str) -> None:
    is_number = isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))
    if not is_number and not (isinstance(value, str) and len(value) <= _LONGEST_LABEL):
        raise RequestError(f"{place} is not a string, number or boolean")


def described() -> dict[str, Any]:
    """Returns its part of the OpenAPI document."""
    label = {"type": ["string", "number", "boolean", "null"]}
    one = {
        "type": "object",
        "required": ["request_id"],
        "properties": {
            "request_id": {"type": "string", "description": "the x-request-id of a reply"},
            "labels": {"type": "array", "items": label, "description": "one for each row, null if unknown"},
            "label": label,
        },
    }
    return {
        "summary": "The true labels of earlier requests",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [one, {"type": "array", "items": one}]}}},
        },
        "responses": {"202": {"description": "Taken"}, "400": {"description": "The body is invalid"}},
    }
