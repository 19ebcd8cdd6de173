import pytest

from bundle_format.digest import digest_of
from bundle_format.errors import BadSignatureError, DamageError, RefusedError, TrustError, UnknownKeyError
from bundle_format.trust.documents import Document, write_documents
from bundle_format.trust.signing import Signature
from bundle_format.trust.trust import Claim, Trust, trust_in
from tests.unit.bundle_format.trust.builders import key, make_claim, make_root, role, signed

TWO_OF_THREE = role("ann", "bob", "cem", threshold=2)


def shop() -> Trust:
    return trust_in(signed(make_root(), "acme"))


def test_a_bundle_signed_by_the_one_key_is_trusted() -> None:
    signers = shop().judge(make_claim("acme"), b"")
    assert (signers.product, signers.channel, signers.names) == ("shop", "stable", ("acme",))


@pytest.mark.parametrize("names", [(), ("mallory",), ("mallory", "eve")])
def test_threat_04_unsigned_or_unknown_is_not_trusted(names: tuple[str, ...]) -> None:
    with pytest.raises(UnknownKeyError, match="0 of the 1 keys"):
        shop().judge(make_claim(*names), b"")


def test_threat_04_a_site_that_enrolled_nothing_trusts_nothing() -> None:
    with pytest.raises(UnknownKeyError, match="it knows: none"):
        Trust().judge(make_claim("acme"), b"")


def test_a_known_key_with_a_false_signature_is_bad_even_beside_a_good_one() -> None:
    trust = trust_in(signed(make_root(root=role("ann", "bob")), "ann"))
    claim = make_claim("ann")
    false = Signature(key("bob").public.key_id, claim.signatures[0].content)
    with pytest.raises(BadSignatureError, match="'bob' did not sign"):
        trust.judge(Claim(claim.message, (*claim.signatures, false), claim.channel_id, 1, 1, claim.index), b"")


def test_threat_05_the_same_key_in_many_slots_counts_once() -> None:
    trust = trust_in(signed(make_root(release=TWO_OF_THREE), "acme"))
    claim = make_claim("ann")
    with pytest.raises(UnknownKeyError, match="1 of the 2 keys"):
        trust.judge(Claim(claim.message, claim.signatures * 5, claim.channel_id, 1, 1, claim.index), b"")
    assert trust.judge(make_claim("ann", "cem"), b"").names == ("ann", "cem")


def test_threat_12_another_product_or_channel_is_unknown() -> None:
    for claim in (make_claim("acme", product="bank"), make_claim("acme", channel="beta")):
        with pytest.raises(UnknownKeyError, match="product or a channel"):
            shop().judge(claim, b"")


def test_a_revoked_bundle_is_refused_by_name_of_its_index() -> None:
    root = make_root(revoked={digest_of(b"index"): "the installer eats disks"})
    with pytest.raises(RefusedError, match="eats disks"):
        trust_in(signed(root, "acme")).judge(make_claim("acme"), b"")


def test_threat_06_a_sequence_below_the_roots_minimum_is_refused() -> None:
    trust = trust_in(signed(make_root(channels={"stable": 10}), "acme"))
    with pytest.raises(RefusedError, match="lowest that counts is 10"):
        trust.judge(make_claim("acme", sequence=9), b"")
    trust.judge(make_claim("acme", sequence=10), b"")


def rotation(old: str = "acme", new: str = "zoe") -> Document:
    return signed(make_root(2, root=role(new)), old, new)


def test_threat_06_a_rotated_key_signs_nothing_acceptable_any_more() -> None:
    chain = write_documents([signed(make_root(), "acme"), rotation()])
    assert shop().judge(make_claim("zoe"), chain).root.version == 2
    with pytest.raises(UnknownKeyError):
        shop().judge(make_claim("acme"), chain)


@pytest.mark.parametrize("names", [("acme",), ("zoe",), ()])
def test_a_new_root_needs_the_thresholds_of_both(names: tuple[str, ...]) -> None:
    with pytest.raises(UnknownKeyError):
        shop().follow(signed(make_root(2, root=role("zoe")), *names).to_bytes())


def test_a_gap_in_the_chain_is_named() -> None:
    with pytest.raises(UnknownKeyError, match="from version 1 to 3"):
        shop().follow(signed(make_root(3), "acme").to_bytes())


def test_another_document_of_the_same_version_is_bad() -> None:
    with pytest.raises(BadSignatureError, match="another version 1"):
        shop().follow(signed(make_root(issued=1), "acme").to_bytes())


def test_the_bundle_says_which_root_it_needs() -> None:
    with pytest.raises(UnknownKeyError, match="root 2 of 'shop' is needed"):
        shop().judge(make_claim("acme", minimum_root=2), b"")


def test_every_byte_of_a_chain_counts() -> None:
    chain = bytearray(rotation().to_bytes())
    for position in range(len(chain)):
        chain[position] ^= 0x41
        with pytest.raises((TrustError, DamageError)):
            shop().judge(make_claim("zoe"), bytes(chain))
        chain[position] ^= 0x41
    for size in range(1, len(chain), 97):
        with pytest.raises(DamageError):
            shop().follow(bytes(chain[:size]))
