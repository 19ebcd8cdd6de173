"""Locking a private key with a passphrase: PKCS #8 (RFC 5958) under PBES2 (RFC 8018), as openssl reads it."""

import base64
import hashlib
import textwrap

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SALT_SIZE = 32
"""Bytes of randomness that `lock` takes: 16 for the key derivation, 16 for the cipher."""

ROUNDS = 600_000
"""PBKDF2-HMAC-SHA256, as OWASP asks; the cryptography library's own writer is fixed at 2048, a toy by now."""

_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256 = bytes.fromhex("300c06082a864886f70d02090500")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_SEQUENCE, _INTEGER, _OCTETS = 0x30, 0x02, 0x04


def lock(plain: bytes, passphrase: bytes, salt: bytes) -> bytes:
    """The PEM text of the PKCS #8 key `plain` (DER), encrypted; `salt` is SALT_SIZE random bytes, new for each key."""
    if len(salt) != SALT_SIZE:
        raise ValueError(f"a salt is {SALT_SIZE} bytes")
    salt, start = salt[:16], salt[16:]
    key = hashlib.pbkdf2_hmac("sha256", passphrase, salt, ROUNDS)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    padding = 16 - len(plain) % 16
    hidden = encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
    rounds = _tagged(_INTEGER, ROUNDS.to_bytes(3, "big"))
    derivation = _tagged(_SEQUENCE, _PBKDF2, _tagged(_SEQUENCE, _tagged(_OCTETS, salt), rounds, _HMAC_SHA256))
    cipher = _tagged(_SEQUENCE, _AES_256_CBC, _tagged(_OCTETS, start))
    scheme = _tagged(_SEQUENCE, _PBES2, _tagged(_SEQUENCE, derivation, cipher))
    text = base64.b64encode(_tagged(_SEQUENCE, scheme, _tagged(_OCTETS, hidden))).decode("ascii")
    lines = "\n".join(textwrap.wrap(text, 64))
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{lines}\n-----END ENCRYPTED PRIVATE KEY-----\n".encode("ascii")


def _tagged(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = bytes([len(content)]) if len(content) < 0x80 else bytes([0x81, len(content)])
    return bytes([tag]) + size + content
