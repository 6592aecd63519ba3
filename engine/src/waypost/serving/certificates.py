"""The current TLS certificate of a server: a renewal needs no restart."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from waypost.errors import UsageError
from waypost.serving.settings import VARIABLE, Settings

if TYPE_CHECKING:
    import uvicorn


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """Raises UsageError unless both or none are given, and they match: uvicorn would show a stack trace."""
    if certificate is None or key is None:
        if certificate or key:
            raise UsageError("TLS needs a certificate and its key", hint="--tls-cert FILE --tls-key FILE")
        return
    try:
        # Without a password callback, OpenSSL would prompt for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        hint = "PEM files; the key without a passphrase"
        raise UsageError(f"{certificate}, {key}: no certificate with its key: {reason}", hint=hint) from error


class Certificate:
    """A certificate with its key.

    A context with only one half of a new pair is unusable, so contexts are not changed: each pair has its own
    context, and a handshake uses the newest complete one.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._fingerprint = self._current_fingerprint()
        self._make: Callable[[], ssl.SSLContext] | None = None
        self._now: ssl.SSLContext | None = None

    def context(self, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Returns the context for listening; `make` returns a context of the current files."""
        self._make = make
        front = make()

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
            connection.context = self._now or front

        front.sni_callback = choose  # it is also called if a client names no server
        return front

    def follow(self) -> bool:
        """Reads the files again if they changed, for new connections; returns whether they did. Raises
        UsageError if they do not match: the previous pair stays in use.
        """
        fingerprint = self._current_fingerprint()
        if fingerprint == self._fingerprint or self._make is None:
            return False
        self._fingerprint = fingerprint
        check_certificate(*self._files)
        try:
            self._now = self._make()
        except (OSError, ValueError) as error:  # they changed since
            raise UsageError(f"{self._files[0]}: no certificate with its key: {error}") from error
        return True

    def _current_fingerprint(self) -> tuple[int, ...]:
        found: list[int] = []
        for file in self._files:
            try:
                status = file.stat()
            except OSError:  # reading it again will report why
                found.append(-1)
            else:
                found += [status.st_mtime_ns, status.st_ino, status.st_size]
        return tuple(found)


@functools.cache
def own() -> Certificate | None:
    """Returns the certificate of this process, described by its environment."""
    settings = Settings.model_validate_json(os.environ[VARIABLE])
    if settings.certificate is None or settings.key is None:
        return None
    return Certificate(settings.certificate, settings.key)


def tls_context(config: uvicorn.Config, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:  # noqa: ARG001 (uvicorn's interface)
    """Returns the context of this process: uvicorn's `ssl_context_factory`."""
    certificate = own()
    return certificate.context(make) if certificate else make()
