"""The example of trust/SPEC.md, made from its text alone: nothing here comes from the modules that follow it."""

import hashlib
import json
import re
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import bundle_format.trust.trust
from bundle_format.trust.documents import read_document
from bundle_format.trust.trust import trust_in

TEXT = Path(bundle_format.trust.trust.__file__).with_name("SPEC.md").read_text("utf-8")


def told(row: str) -> str:
    """What the example's table says in a row, without its code marks."""
    found = re.search(rf"^\| {re.escape(row)} \| (.*) \|$", TEXT, re.MULTILINE)
    assert found
    return found[1].replace("` `", "").strip("`")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def document_from_the_spec() -> tuple[bytes, dict[str, str]]:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw()
    role = {"keys": ["acme"], "threshold": 1}
    root = {
        "channels": {"stable": 0},
        "expires": None,
        "format": "floto-root/1",
        "issued": 1700000000,
        "keys": {"acme": public.hex()},
        "product": "shop",
        "revoked": {},
        "roles": {"authorise": role, "release": role, "root": role},
        "version": 1,
    }
    payload = json.dumps(root, sort_keys=True, separators=(",", ":")).encode()
    head = b"FLOTODOC\r\n\x1a\n" + struct.pack("<IIIQ", 1, 1, 1, len(payload))
    head += hashlib.sha256(payload).digest() + hashlib.sha256(b"shop").digest()
    message = b"floto/root-document/v1\0" + head.ljust(256, b"\0")
    key_id = hashlib.sha256(b"floto/key/v1\0ed25519\0" + public).digest()
    signature = key.sign(message)
    page = (head.ljust(256, b"\0") + struct.pack("<I28x", 1) + key_id + signature).ljust(4096, b"\0")
    made = {
        "public key": public.hex(),
        "key id": key_id.hex(),
        "payload": f"{len(payload)} bytes",
        "fingerprint": sha256(payload),
        f"SHA-256 of the {len(message)} bytes signed": sha256(message),
        "signature": signature.hex(),
        f"SHA-256 of the document, {len(page + payload)} bytes": sha256(page + payload),
    }
    return page + payload, made


@pytest.mark.parametrize(("row", "value"), document_from_the_spec()[1].items())
def test_the_example_follows_from_the_text(row: str, value: str) -> None:
    assert told(row) == value


def test_the_words_follow_from_the_text() -> None:
    from bundle_format.trust.words import WORDS

    shown = bytes.fromhex(told("fingerprint"))[:16]
    bits = f"{int.from_bytes(shown, 'big'):0128b}{hashlib.sha256(shown).digest()[0] >> 4:04b}"
    assert " ".join(WORDS[int(bits[at : at + 11], 2)] for at in range(0, 132, 11)) == told("words")


def test_the_example_is_a_root_document_to_us_too() -> None:
    content, _ = document_from_the_spec()
    assert trust_in(read_document(content)).enrolments["shop"].fingerprint == "sha256:" + told("fingerprint")


def test_the_spec_shows_the_payload_as_it_is() -> None:
    content, _ = document_from_the_spec()
    shown = re.search(r"^```\n(\{\"channels\".*?)\n```", TEXT, re.MULTILINE | re.DOTALL)
    assert shown
    start = shown[1].replace("\n ", "").split('"<64')[0].encode()
    assert content[4096:].startswith(start)
