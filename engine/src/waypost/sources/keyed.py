"""Keyed digests: they reveal nothing of their content, not even to a dictionary attack.

They are made with a key of this machine, in the cache: values are compared here, and only here.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

_FILE = "key"
_BYTES = 32


def keyed_digest(home: Path, text: str) -> str:
    """Returns a digest (hex) of a text that is the same on this machine as long as its cache exists.

    Where the cache cannot be written to, it is the same within this process only.
    """
    return hmac.digest(_key(home), text.encode(errors="surrogateescape"), hashlib.sha256).hex()


def _key(home: Path) -> bytes:
    file = home / _FILE
    try:
        return _read(file) or _made(file)
    except OSError:
        return _OF_THIS_PROCESS


def _read(file: Path) -> bytes:
    try:
        key = file.read_bytes()
    except FileNotFoundError:
        return b""
    return key if len(key) == _BYTES else b""


def _made(file: Path) -> bytes:
    """Makes the key, whole and for this user's eyes; of several processes the first one's stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(number, os.urandom(_BYTES))
    finally:
        os.close(number)
    try:
        os.link(new, file)
    except FileExistsError:
        if not _read(file):  # cut off, or of another kind
            new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    return _read(file)


_OF_THIS_PROCESS = os.urandom(_BYTES)
