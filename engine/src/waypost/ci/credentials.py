"""Tokens of a job for git: each is given to the one address that it is for, and to nobody else.

git asks a helper by the address that it talks to (gitcredentials(7), "credential contexts"); the helper has
the name of a variable of the environment, so that no file, no argument and no log has the token.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from waypost.errors import UsageError

_HELPER = '!f() {{ test "$1" = get && echo username=x-access-token && echo "password=${name}"; }}; f'
_COUNT = "GIT_CONFIG_COUNT"


def lend(tokens: Mapping[str, str]) -> None:
    """Lets git of this process find the tokens of variables, by the address that each is for.

    Of two addresses that fit, the later one counts. An empty variable lends nothing. Raises UsageError for an
    address that no token can be sent to.
    """
    for address, name in tokens.items():
        if os.environ.get(name):
            context = _context(address)
            for written in dict.fromkeys((context, context.removesuffix(".git"), f"{context}.git")):
                _add(f"credential.{written}.helper", "")  # no helper of before is asked
                _add(f"credential.{written}.helper", _HELPER.format(name=name))


def is_web(address: str) -> bool:
    """Tells whether git asks for credentials where it talks to an address: by ssh a key decides."""
    return urlsplit(address).scheme in ("http", "https")


def host(address: str) -> str:
    """Returns the address of a URL's host, empty where that is none of the web."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if is_web(address) else ""


def _context(address: str) -> str:
    """Returns the address as git compares it, without credentials."""
    parts = urlsplit(address)
    if not is_web(address) or not parts.hostname:
        raise UsageError(f"{address!r}: a token goes to a URL of http or https")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _add(key: str, value: str) -> None:
    count = os.environ.get(_COUNT, "")
    index = int(count) if count.isascii() and count.isdecimal() else 0
    os.environ |= {
        f"GIT_CONFIG_KEY_{index}": key,
        f"GIT_CONFIG_VALUE_{index}": value,
        _COUNT: str(index + 1),
    }
