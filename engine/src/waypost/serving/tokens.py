"""The bearer tokens that requests must carry, from a file or a variable. An empty string is not a token."""

from __future__ import annotations

import contextlib
import hmac
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from waypost.errors import UsageError

TOKEN = "WAYPOST_TOKEN"  # noqa: S105 (the variable's name)
_MOST_BYTES = 65_536  # the limit of a request's headers
_SHORT = 16
_NAMED = re.compile(r"([A-Za-z0-9][\w.@/-]{0,63}):[ \t]+(.*)", re.ASCII)


Tokens = Mapping[str, tuple[str, ...]]
"""The tokens by the caller's name, two while one is rotated; a token without a name has the name ""."""


def tokens_of(file: Path | None, environ: Mapping[str, str]) -> Tokens:
    """Returns the tokens in a file, else the one in the variable; empty if neither is given.

    Raises UsageError for a file or a variable without a token: whoever sets one wants protection.
    """
    if file is not None:
        return parse_tokens(_read(file), str(file), f"write a token into it: openssl rand -hex 32 > {file}")
    if TOKEN in environ:
        hint = "set it to a token, or unset it to serve without one"
        return {"": (parse_token(environ[TOKEN], TOKEN, hint),)}
    return {}


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: the token cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{file}: more than {_MOST_BYTES:,} bytes, which cannot be a token")
    try:
        return content.decode("utf-8-sig")  # some editors put a byte order mark before the first character
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: the token is not UTF-8", hint="save the file as UTF-8") from error


def parse_tokens(text: str, place: str, hint: str) -> Tokens:
    """Returns the tokens in a text: one alone, or each on a line after a name, `NAME: TOKEN`. Raises
    UsageError, without repeating a token, if it is neither.
    """
    lines = [line.strip() for line in text.splitlines()]
    given = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not any(_NAMED.match(line) for _, line in given):
        return {"": (parse_token(text, place, hint),)}
    found: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for number, line in given:
        hit = _NAMED.match(line)
        if hit is None:
            raise UsageError(f"{place}: line {number} is not of the form `NAME: TOKEN`", hint=hint)
        name, token = hit[1], parse_token(hit[2], f"{place}: line {number}", hint)
        if token in seen:
            raise UsageError(f"{place}: line {number} has the token of another line", hint="take another one")
        seen.add(token)
        found[name] = (*found.get(name, ()), token)
    return found


def parse_token(text: str, place: str, hint: str) -> str:
    """Returns the token in a text, without surrounding blanks and line breaks. Raises UsageError, without
    repeating the text, if it is not a token.
    """
    lines = text.strip().splitlines()
    if not lines:
        raise UsageError(f"{place}: it has no token", hint=hint)
    if all(line.lstrip().startswith("#") for line in lines if line.strip()):
        raise UsageError(f"{place}: it has no token, only a comment", hint=hint)
    if len(lines) > 1:
        raise UsageError(f"{place}: {len(lines)} lines; a token is one line, and nothing else", hint=hint)
    token = lines[0]
    if " " in token or not token.isprintable():
        raise UsageError(
            f"{place}: the token has blanks or invisible characters, which no request can carry", hint=hint
        )
    return token


def doubts(tokens: Tokens, file: Path | None) -> Iterator[str]:
    """Yields warnings about weak or exposed tokens."""
    for name, own in tokens.items():
        for token in own:
            if len(token) < _SHORT:
                whose = f"the token of {name}" if name else "the token"
                yield f"{whose} has {len(token)} characters: it can be guessed; use {_SHORT} or more"
    mode = file.stat().st_mode if file is not None else 0
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"{file}: others on this machine can read the token: chmod 600 {file}"


class Bearer:
    """Finds the caller of a request by its token, in constant time."""

    def __init__(self, tokens: Tokens) -> None:
        self._wanted = [
            (b"Bearer " + form, name)
            for name, own in tokens.items()
            for token in own
            for form in _forms(token)
        ]

    def caller(self, header: bytes) -> str | None:
        """Returns the name of the token in the header Authorization, None if it is not one of them."""
        found = None
        for wanted, name in self._wanted:
            if hmac.compare_digest(header, wanted):
                found = name
        return found


class Guard:
    """The current bearer tokens of a file, which may change while the server runs."""

    def __init__(self, file: Path | None, environ: Mapping[str, str]) -> None:
        self._file = file
        self._environ = environ
        self._fingerprint = self._current_fingerprint()
        tokens = tokens_of(file, environ)
        self.bearer = Bearer(tokens) if tokens else None

    def follow(self) -> bool:
        """Reads the file again if it has changed; returns whether it has. Raises UsageError if it has no
        token: the previous ones stay valid.
        """
        now = self._current_fingerprint()
        if now == self._fingerprint:
            return False
        self._fingerprint = now
        self.bearer = Bearer(tokens_of(self._file, self._environ))
        return True

    def _current_fingerprint(self) -> tuple[int, ...]:
        if self._file is None:
            return ()
        try:
            found = self._file.stat()
        except OSError:  # reading it again will report why
            return (-1,)
        return found.st_mtime_ns, found.st_ino, found.st_size


def _forms(token: str) -> Iterator[bytes]:
    """Yields the encodings of a token by clients: UTF-8 or latin-1 if it is not ASCII."""
    yield token.encode()
    if not token.isascii():
        with contextlib.suppress(UnicodeEncodeError):
            yield token.encode("latin-1")
