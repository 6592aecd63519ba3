"""Cross-origin requests (CORS): allowed for pages of the configured origins."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from waypost.errors import UsageError

ANY = "*"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_MAY = [
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", b"authorization, content-encoding, content-type, x-request-id"),
    (b"access-control-max-age", b"600"),
]
_SHOWN = (
    b"access-control-expose-headers",
    b"retry-after, server-timing, x-model, x-model-role, x-request-id, x-shadow-model",
)


def check_origins(names: Sequence[str]) -> None:
    """Raises UsageError for a string that no browser sends as an origin."""
    for name in names:
        if name != ANY and not _ORIGIN.fullmatch(name):
            hint = "as browsers send it, without a path: https://app.example.org"
            raise UsageError(f"--cors {name}: not an origin", hint=hint)


class Origins:
    """The allowed origins."""

    def __init__(self, names: Sequence[str]) -> None:
        self._any = ANY in names
        self._known = {name.encode() for name in names}

    def headers(self, given: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """Returns the CORS headers of a reply, which allow the requesting page to read it or not."""
        origin = given.get(b"origin", b"")
        if self._any:
            return [(b"access-control-allow-origin", b"*"), _SHOWN]
        varies = (b"vary", b"origin")
        if origin not in self._known:
            return [varies]
        return [(b"access-control-allow-origin", origin), _SHOWN, varies]

    def preflight(self, method: str, given: Mapping[bytes, bytes]) -> list[tuple[bytes, bytes]] | None:
        """Returns the reply to a browser's preflight request; None for every other request."""
        if method != "OPTIONS" or b"access-control-request-method" not in given:
            return None
        return _MAY if self._any or given.get(b"origin", b"") in self._known else []
