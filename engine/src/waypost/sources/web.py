"""What a web server tells about a file without sending it."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.request
from urllib.parse import unquote, urlsplit

_PATIENCE_SECONDS = 10.0


def validator(url: str) -> str:
    """Returns what changes with the content behind an http(s) URL: its ETag, else date and length;
    empty where the server tells neither, or does not answer.
    """
    try:
        with urllib.request.urlopen(_question(url), timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310
            headers = answer.headers
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    if tag := headers.get("ETag", ""):
        return f"ETag {tag}"
    date, length = headers.get("Last-Modified"), headers.get("Content-Length")
    return f"{date}, {length} bytes" if date and length else ""


def answers(url: str) -> bool:
    """Tells whether a server answers at all."""
    try:
        with urllib.request.urlopen(_question(url), timeout=_PATIENCE_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _question(url: str) -> urllib.request.Request:
    """Returns the request; credentials in the URL become a header, as urllib does not know them."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    headers = {"Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"} if user else {}
    plain = parts._replace(netloc=host).geturl()
    return urllib.request.Request(plain, None, headers, method="HEAD")  # noqa: S310 (the caller saw to it)
