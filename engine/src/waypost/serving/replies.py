"""Replies to requests: answers, refusals and failures."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from waypost.inference.layout import TableError
from waypost.serving.reply_bodies import error_reply

_RETRY_SECONDS = b"5"
_MOST_CHARACTERS = 500  # characters of a problem in the log
Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Reply:
    """What is sent to a client; `problem` is what the access log says of it, `is_early` whether the body of
    the request may still be on its way.
    """

    status: int
    body: bytes
    type: bytes = b"application/json"
    headers: Headers = field(default_factory=list)
    problem: str = ""
    is_early: bool = False


def forget_frames(error: BaseException) -> None:
    """Drops the frames of an error and of its causes.

    The frames hold a body and what it became, and among them are those that wait for a thread, whose future
    holds the error: a ring that stays until garbage is collected, which is seldom here (`app.py`).
    """
    left: list[BaseException | None] = [error]
    while left:
        if (one := left.pop()) is not None:
            left += [one.__cause__, one.__context__]
            one.__traceback__ = one.__cause__ = one.__context__ = None


def refusal(error: TableError, *headers: tuple[bytes, bytes], is_early: bool = False) -> Reply:
    """Returns the reply that says why there is no answer; drops the frames of the error."""
    forget_frames(error)
    more = [(b"retry-after", _RETRY_SECONDS)] if error.status == 503 else []
    return Reply(
        error.status, error_reply(error), headers=[*headers, *more], problem=str(error), is_early=is_early
    )


def failure(raised: Exception, request: str) -> Reply:
    """Returns the reply where the server itself fails; the cause is for its log, not for clients."""
    problem = f"the server failed to answer; see its log for {request}"
    content = {"error_code": "INTERNAL_ERROR", "message": problem}
    error = raised.__cause__ or raised
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    forget_frames(raised)
    return Reply(
        500, orjson.dumps(content), problem=f"{type(error).__name__}: {error}{place}"[:_MOST_CHARACTERS]
    )
