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
    """A reply to a client; `problem` is for the access log; `is_early`: the request's body may still be
    arriving.
    """

    status: int
    body: bytes
    type: bytes = b"application/json"
    headers: Headers = field(default_factory=list)
    problem: str = ""
    is_early: bool = False


def forget_frames(error: BaseException) -> None:
    """Drops the frames of an error and of its causes.

    The frames hold the body and its table, and some of them wait for a thread's future, which holds the
    error: a reference cycle that stays until garbage collection, which is rare here (`app.py`).
    """
    left: list[BaseException | None] = [error]
    while left:
        if (one := left.pop()) is not None:
            left += [one.__cause__, one.__context__]
            one.__traceback__ = one.__cause__ = one.__context__ = None


def refusal(error: TableError, *headers: tuple[bytes, bytes], is_early: bool = False) -> Reply:
    """Returns the reply with the reason of a refusal; drops the frames of the error."""
    forget_frames(error)
    more = [(b"retry-after", _RETRY_SECONDS)] if error.status == 503 else []
    return Reply(
        error.status, error_reply(error), headers=[*headers, *more], problem=str(error), is_early=is_early
    )


def failure(raised: Exception, request: str) -> Reply:
    """Returns the reply for a failure of the server itself; its cause is logged, not sent."""
    problem = f"the server failed to answer; see its log for {request}"
    content = {"error_code": "INTERNAL_ERROR", "message": problem}
    error = raised.__cause__ or raised
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    forget_frames(raised)
    return Reply(
        500, orjson.dumps(content), problem=f"{type(error).__name__}: {error}{place}"[:_MOST_CHARACTERS]
    )
