"""Address and certificates of a cluster, and why a connection fails.

Names and defaults are Dask's own: options that are not given come from its configuration, or from its
variables such as `DASK_DISTRIBUTED__COMM__TLS__CA_FILE`. A scheduler without TLS executes whatever anybody
sends it, so such an address causes a warning unless it is this machine's own, and is refused if Dask's
configuration sets `distributed.comm.require-encryption`.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dask.config
from distributed.security import Security

from waypost.errors import RemoteError, UsageError, WaypostError

PORT = 8786
_LAST_PORT = 65535
Role = Literal["client", "worker"]
_TLS_OPTIONS = (
    "name them: --tls-ca-file, --tls-cert, --tls-key, or the variables "
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__TLS__{role}__CERT, …__TLS__{role}__KEY"
)
# OpenSSL's codes for a refused certificate (X509_V_ERR_…).
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_CA = {18, 19, 20, 21}


@dataclass(frozen=True)
class Tls:
    """PEM files: the authority that signs the cluster's certificates, our certificate, and its key.

    Files that are None come from Dask's configuration.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def security(self, role: Role = "client") -> Security:
        """Returns Dask's settings for a client; `role` says whose certificate to use by default."""
        known = Security().get_tls_config_for_role(role)
        key = self.key or (None if self.cert else known["key"])
        files = {
            "tls_ca_file": self.ca or known["ca_file"],
            "tls_client_cert": self.cert or known["cert"],
            "tls_client_key": key,
        }
        given = {name: None if place is None else str(place) for name, place in files.items()}
        return Security(require_encryption=must_encrypt(), **given)


def must_encrypt() -> bool:
    """Returns whether the user's Dask configuration forbids connections without TLS."""
    return bool(dask.config.get("distributed.comm.require-encryption", default=False))


@dataclass(frozen=True)
class Address:
    """Where a scheduler listens: `tls://HOST:PORT` or `tcp://HOST:PORT`."""

    scheme: Literal["tls", "tcp"]
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether the address is a loopback address of this machine."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Returns an address. Raises UsageError."""
    scheme, found, place = text.partition("://")
    host, _, port = place.rpartition(":") if not place.endswith("]") and ":" in place else (place, "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not found or scheme not in ("tls", "tcp") or not host or not _is_port(port or str(PORT)):
        raise UsageError(f"{text}: not a scheduler address", hint=f"such as tls://scheduler:{PORT}")
    return Address("tls" if scheme == "tls" else "tcp", host, int(port or PORT))


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) <= _LAST_PORT


def check_encrypted(address: Address, warn: Callable[[str], None]) -> None:
    """Warns about a connection without TLS to another machine.

    Raises UsageError if Dask's configuration forbids connections without TLS.
    """
    if address.scheme == "tls":
        return
    if must_encrypt():
        said = "without TLS, and distributed.comm.require-encryption is set in Dask's configuration"
        raise UsageError(f"{address}: {said}", hint=f"use tls://{address.host}:{address.port}")
    if not address.is_here:
        warn(
            f"{address}: without TLS, anyone who reaches this port can run code on the cluster and read"
            " what is sent; use tls://"
        )


def context_of(address: Address, security: Security, role: Role = "client") -> ssl.SSLContext | None:
    """Returns the TLS context for an address, None for tcp. Raises UsageError."""
    if address.scheme == "tcp":
        return None
    files = security.get_tls_config_for_role("client")
    named = ", ".join(str(files[name]) for name in ("ca_file", "cert", "key") if files[name])
    try:
        context: ssl.SSLContext | None = security.get_connection_args("client")["ssl_context"]
    except (OSError, ValueError) as error:
        raise UsageError(f"{named}: cannot be used as certificates and key: {error}") from error
    if context is None:
        hint = _TLS_OPTIONS.format(role=role.upper())
        raise UsageError(f"{address}: TLS needs a CA certificate and a certificate of our own", hint=hint)
    return context


def check_reachable(address: Address, context: ssl.SSLContext | None, seconds: float) -> None:
    """Raises RemoteError with the reason if no scheduler answers. Dask's servers speak first."""
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=seconds) as plain,
            # A wrapped socket takes over the plain one, which closes nothing then.
            context.wrap_socket(plain, server_hostname=address.host) if context else plain as stream,
        ):
            said = stream.recv(1)
    except (OSError, ValueError) as error:
        raise connection_error(address, error) from error
    if not said:
        raise connection_error(address, ConnectionResetError())


def connection_error(address: Address, error: Exception) -> WaypostError:
    """Returns the reason for a failed connection as a one-line error."""
    words, hint = _words(error)
    return RemoteError(f"{address}: {words}", hint=hint)


def _words(error: Exception) -> tuple[str, str]:
    """Returns (problem, remedy)."""
    match error:
        case ssl.SSLCertVerificationError():
            return _of_their_certificate(error)
        case ssl.SSLEOFError() | ConnectionResetError() | BrokenPipeError():
            return (
                "the other side closed the connection",
                "check the port, and whether the scheduler uses TLS",
            )
        case ssl.SSLError():
            return _of_handshake(error)
        case socket.gaierror():
            return "there is no host of that name", ""
        case ConnectionRefusedError():
            return "nothing listens there", "start a scheduler: dask scheduler"
        case TimeoutError():
            return "no answer", "check the port, and whether the scheduler uses TLS"
        case _:
            return " ".join(str(error).split()), ""


def _of_their_certificate(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    if error.verify_code == _EXPIRED:
        return "the scheduler's certificate has expired", "renew it, and start the scheduler again"
    if error.verify_code == _NOT_YET_VALID:
        return "the scheduler's certificate is not valid yet", "compare the clocks"
    if error.verify_code in _OTHER_CA:
        return "a different CA signed the scheduler's certificate", "name that CA's file: --tls-ca-file"
    return f"the scheduler's certificate is refused: {error.verify_message}", ""


def _of_handshake(error: ssl.SSLError) -> tuple[str, str]:
    reason = error.reason or ""
    if "CERTIFICATE_EXPIRED" in reason:
        return "our certificate has expired", "renew it"
    if "UNKNOWN_CA" in reason:
        return "the scheduler does not know the CA that signed our certificate", "--tls-cert"
    if "CERTIFICATE_REQUIRED" in reason:
        return "the scheduler asks for a certificate", "name one: --tls-cert and --tls-key"
    if "CERTIFICATE" in reason:
        return f"the scheduler refuses our certificate: {_plain(reason)}", ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "the server there does not use TLS", "use tcp:// if the network is trusted"
    return f"no TLS connection: {_plain(reason) or error}", ""


def _plain(reason: str) -> str:
    return reason.replace("_", " ").lower()
