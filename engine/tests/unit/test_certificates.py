"""The certificate of a server: what a handshake gets while the files change."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from waypost.errors import UsageError
from waypost.serving.certificates import Certificate


def pair(name: str) -> tuple[bytes, bytes]:
    """Returns a certificate that signs itself, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(own, own, key.public_key(), 1, now, now + timedelta(days=1))
    signed = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return signed.public_bytes(Encoding.PEM), private


def presented(server: ssl.SSLContext, host: str | None) -> str:
    """Returns the certificate (PEM) that a new connection gets."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ssl.DER_cert_to_PEM_cert(ours.getpeercert(binary_form=True) or b"")


@pytest.mark.parametrize("host", [None, "example.org"])
def test_new_connections_get_the_pair_of_now(tmp_path: Path, host: str | None) -> None:
    """A new pair counts for new connections, whether they name a server or not; half of one, or what is no
    certificate, leaves the pair of before in place, and is told once.
    """
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    (first, first_key), (second, second_key) = pair("first"), pair("second")
    cert.write_bytes(first)
    key.write_bytes(first_key)

    def made() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    certificate = Certificate(cert, key)
    context = certificate.context(made)
    assert presented(context, host) == first.decode()
    assert not certificate.follow()

    cert.write_bytes(second)  # its key is on its way
    with pytest.raises(UsageError, match="no certificate with its key"):
        certificate.follow()
    assert not certificate.follow()
    assert presented(context, host) == first.decode()
    key.write_bytes(second_key)
    assert certificate.follow()
    assert presented(context, host) == second.decode()

    cert.unlink()
    with pytest.raises(UsageError):
        certificate.follow()
    assert presented(context, host) == second.decode()
