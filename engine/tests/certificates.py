"""An authority that signs certificates, as a cluster has one, and files in PEM form."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


@dataclass
class Authority:
    """Signs what it is asked to, into files of a folder."""

    folder: Path
    name: str = "authority"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> Path:
        """Its own certificate."""
        place = self.folder / f"{self.name}.pem"
        if not place.exists():
            place.write_bytes(self._signed(self.name, self.key, timedelta(days=1), is_authority=True))
        return place

    def issue(self, name: str, valid: timedelta = timedelta(days=1)) -> tuple[Path, Path]:
        """Returns (certificate, key) that are valid for so long from now on, or were until then."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        cert.write_bytes(self._signed(name, key, valid, is_authority=False))
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cert, private

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, valid: timedelta, *, is_authority: bool
    ) -> bytes:
        until = datetime.now(UTC) + valid
        builder = x509.CertificateBuilder(
            _name(self.name),
            _name(name),
            key.public_key(),
            x509.random_serial_number(),
            until - timedelta(days=9),
            until,
        ).add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
