"""Certificates that a site makes for its own engines: an authority that never leaves it, servers and one client.

X.509 (RFC 5280) with keys on P-256. Everything is PEM; times are Unix seconds.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS: Final = 20
"""Nobody renews certificates on a site without internet; machines are made anew more often than that."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: bytes
    key: bytes = field(repr=False)


def new_authority(name: str, now: int) -> Issued:
    """An authority of one's own."""
    key = ec.generate_private_key(ec.SECP256R1())
    title = _title(name)
    builder = _builder(title, title, key, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(usage, critical=True)
    return _issued(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Issued, name: str, now: int, addresses: Sequence[str] = ()) -> Issued:
    """A certificate for a server at `addresses` (names or IP addresses), or for a client where there are none."""
    signer = serialization.load_pem_private_key(authority.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    issuer = x509.load_pem_x509_certificate(authority.certificate).subject
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.SERVER_AUTH if addresses else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(_title(name), issuer, key, now)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if addresses:
        places = x509.SubjectAlternativeName([_general(address) for address in addresses])
        builder = builder.add_extension(places, critical=False)
    return _issued(builder.sign(signer, hashes.SHA256()), key)


def new_ssh_key() -> tuple[bytes, str]:
    """A private key as OpenSSH keeps it, and its public line."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode("ascii")


def _general(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _title(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: int
) -> x509.CertificateBuilder:
    began = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began - timedelta(days=366))  # clocks of fresh machines are wrong
        .not_valid_after(began + timedelta(days=YEARS * 365))
    )


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(certificate.public_bytes(serialization.Encoding.PEM), private)
