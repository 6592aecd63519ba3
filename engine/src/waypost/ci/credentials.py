"""Tokens of a job for git: each is sent to its own address only.

git selects a helper by the address of the server (gitcredentials(7), "credential contexts"). The helper
knows the name of an environment variable, so no file, argument or log contains the token.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from waypost.errors import UsageError

_HELPER = '!f() {{ test "$1" = get && echo username=x-access-token && echo "password=${name}"; }}; f'
_COUNT = "GIT_CONFIG_COUNT"


def lend(tokens: Mapping[str, str]) -> None:
    """Gives the git commands of this process tokens from variables, by address (address to variable).

    If two addresses match, the later one applies. An empty variable is skipped. Raises UsageError for an
    address that does not accept tokens.
    """
    for address, name in tokens.items():
        if os.environ.get(name):
            context = _context(address)
            for written in dict.fromkeys((context, context.removesuffix(".git"), f"{context}.git")):
                _add(f"credential.{written}.helper", "")  # earlier helpers are not asked
                _add(f"credential.{written}.helper", _HELPER.format(name=name))


def is_web(address: str) -> bool:
    """Tells whether git uses credentials for an address; with ssh, keys are used instead."""
    return urlsplit(address).scheme in ("http", "https")


def host(address: str) -> str:
    """Returns scheme and host of a web URL, empty for other addresses."""
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
