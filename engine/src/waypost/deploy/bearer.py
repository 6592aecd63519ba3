"""The bearer token that requests must bring: one line of a file, or a variable. Nothing is no token."""

from __future__ import annotations

import contextlib
import hmac
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from waypost.errors import UsageError

TOKEN = "WAYPOST_TOKEN"  # noqa: S105 (the variable's name)
_MOST_BYTES = 65_536  # as much as a request's headers may have
_SHORT = 16


def token_of(file: Path | None, environ: Mapping[str, str]) -> str:
    """Returns the token in a file, else that in the variable; "" where neither is given.

    Raises UsageError for a file or a variable that holds no token: who names one wants to be guarded.
    """
    if file is not None:
        return parse_token(_read(file), str(file), f"write a token into it: openssl rand -hex 32 > {file}")
    if TOKEN in environ:
        return parse_token(environ[TOKEN], TOKEN, "set it to a token, or unset it to serve without one")
    return ""


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: the token cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{file}: more than {_MOST_BYTES:,} bytes, which is no token")
    try:
        return content.decode("utf-8-sig")  # some editors put a byte order mark before the first character
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: the token is not UTF-8", hint="save the file as UTF-8") from error


def parse_token(text: str, place: str, hint: str) -> str:
    """Returns the token that a text holds, without the blanks and line breaks around it.

    Raises UsageError, which does not repeat the text, where it is none.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise UsageError(f"{place}: there is no token in it", hint=hint)
    if all(line.lstrip().startswith("#") for line in lines if line.strip()):
        raise UsageError(f"{place}: there is no token in it, only a comment", hint=hint)
    if len(lines) > 1:
        raise UsageError(f"{place}: {len(lines)} lines; a token is one line, and nothing else", hint=hint)
    token = lines[0]
    if " " in token or not token.isprintable():
        raise UsageError(
            f"{place}: the token has blanks or invisible characters, which no request can bring", hint=hint
        )
    return token


def doubts(token: str, file: Path | None) -> Iterator[str]:
    """Gives what is to be said of a token that guards less than it should."""
    if token and len(token) < _SHORT:
        yield f"the token has {len(token)} characters: it can be guessed; take {_SHORT} or more"
    mode = file.stat().st_mode if file is not None else 0
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"{file}: others on this machine can read the token: chmod 600 {file}"


class Bearer:
    """Tells whether a request brings a token, in the time that any other takes."""

    def __init__(self, token: str) -> None:
        self._wanted = [b"Bearer " + form for form in _forms(token)]

    def accepts(self, header: bytes) -> bool:
        """Tells whether the header Authorization has the token."""
        found = False
        for wanted in self._wanted:
            found |= hmac.compare_digest(header, wanted)
        return found


def _forms(token: str) -> Iterator[bytes]:
    """Gives the bytes that clients make of a token: what is not ASCII comes as UTF-8 or as latin-1."""
    yield token.encode()
    if not token.isascii():
        with contextlib.suppress(UnicodeEncodeError):
            yield token.encode("latin-1")
