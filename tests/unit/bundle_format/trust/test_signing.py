import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle_format.errors import SigningKeyError
from bundle_format.trust.signing import (
    SLOT_SIZE,
    SLOTS,
    SLOTS_SIZE,
    PublicKey,
    Signature,
    Signer,
    decode_slots,
    encode_slots,
    public_from_pem,
    signer_from_pem,
    verify,
    with_signature,
)

SIGNER = Signer(b"\1" * 32)
OTHER = Signer(b"\2" * 32)


def test_a_key_survives_its_file_with_and_without_a_passphrase() -> None:
    assert signer_from_pem(SIGNER.to_pem()).public == SIGNER.public
    assert signer_from_pem(SIGNER.to_pem(b"open sesame", b"\7" * 32), b"open sesame").public == SIGNER.public
    assert public_from_pem(SIGNER.public.to_pem()) == SIGNER.public


def test_openssl_reads_the_locked_key(tmp_path: Path) -> None:
    path = tmp_path / "locked.key"
    path.write_bytes(SIGNER.to_pem(b"open sesame", b"\7" * 32))
    command = ["openssl", "pkey", "-in", str(path), "-passin", "pass:open sesame", "-pubout"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == SIGNER.public.to_pem()


@pytest.mark.parametrize("passphrase", [b"", b"open sesam"])
def test_a_locked_key_stays_locked(passphrase: bytes) -> None:
    with pytest.raises(SigningKeyError, match="passphrase"):
        signer_from_pem(SIGNER.to_pem(b"open sesame", b"\7" * 32), passphrase)


@pytest.mark.parametrize("content", [b"", b"rubbish", SIGNER.public.to_pem()])
def test_what_is_no_private_key_is_refused(content: bytes) -> None:
    with pytest.raises(SigningKeyError):
        signer_from_pem(content)


def test_a_private_key_never_shows_itself() -> None:
    assert (b"\1" * 32).hex() not in repr(SIGNER)
    assert SIGNER.public.raw.hex() not in repr(SIGNER)


def test_a_signature_holds_for_one_key_and_one_message() -> None:
    signature = SIGNER.sign(b"message")
    assert verify(SIGNER.public, b"message", signature)
    assert not verify(SIGNER.public, b"massage", signature)
    assert not verify(OTHER.public, b"message", signature)
    assert not verify(SIGNER.public, b"message", Signature(OTHER.public.key_id, signature.content))


def test_a_point_has_one_spelling() -> None:
    with pytest.raises(ValueError, match="not an Ed25519"):
        PublicKey((2**255 - 19 + 1).to_bytes(32, "little"))


def test_slots_are_sorted_and_hold_one_signature_a_key() -> None:
    both = [SIGNER.sign(b"m"), OTHER.sign(b"m")]
    assert encode_slots(both) == encode_slots(reversed(both))
    assert set(decode_slots(encode_slots(both))) == set(both)
    with pytest.raises(ValueError, match="one of each key"):
        encode_slots([both[0], both[0]])
    assert set(with_signature(both, SIGNER.sign(b"n"))) == {SIGNER.sign(b"n"), both[1]}


def test_a_page_holds_29_signatures() -> None:
    signatures = [Signer(bytes([number]) * 32).sign(b"m") for number in range(SLOTS)]
    assert len(decode_slots(encode_slots(signatures))) == SLOTS
    with pytest.raises(ValueError, match="at most 29"):
        encode_slots([*signatures, OTHER.sign(b"m"), Signer(b"x" * 32).sign(b"m")])


@given(position=st.integers(0, SLOTS_SIZE - 1), bit=st.integers(0, 7))
def test_no_byte_of_the_slots_says_nothing(position: int, bit: int) -> None:
    slots = bytearray(encode_slots([SIGNER.sign(b"m")]))
    slots[position] ^= 1 << bit
    try:
        (signature,) = decode_slots(bytes(slots))
    except ValueError:
        return
    assert position < SLOT_SIZE
    assert not verify(SIGNER.public, b"m", signature)


def test_threat_34_a_signature_algorithm_that_is_not_known_is_refused() -> None:
    slots = bytearray(encode_slots([SIGNER.sign(b"m")]))
    slots[0] = 2
    with pytest.raises(ValueError, match="algorithm 2 is unknown"):
        decode_slots(bytes(slots))
