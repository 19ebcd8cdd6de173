"""Five years of a product's keys, seen by a site that was dark all the while (root 1 to 6)."""

import pytest

from bundle_format.errors import BadSignatureError, RefusedError, UnknownKeyError
from bundle_format.trust.admission import Offer
from bundle_format.trust.documents import Document, write_documents
from bundle_format.trust.roots import Role
from bundle_format.trust.signing import Signature
from bundle_format.trust.trust import Trust, trust_in
from tests.unit.bundle_format.trust.builders import DAY, START, key, make_claim, make_root, role, signed

YEAR = 365 * DAY
BOARD = role("ann", "bob", "cem", threshold=2)
LATER = role("ann", "cem", "dan", threshold=2)
LAST = role("dan", "eva", "fay", threshold=2)


def year(version: int, root: Role, release: Role, *names: str, minimum: int = 0) -> Document:
    issued = START + (version - 1) * YEAR
    made = make_root(version, root=root, release=release, issued=issued, channels={"stable": minimum})
    return signed(made, *names)


HISTORY = (
    year(1, role("founder"), role("founder"), "founder"),
    # A second person joins, and releases get a key of their own.
    year(2, BOARD, role("ci-1"), "founder", "ann", "bob"),
    # The build host was broken into: ci-1 is dead, and so is what it signed.
    year(3, BOARD, role("ci-2"), "ann", "cem", minimum=120),
    # bob lost his key: the two others put dan in his place.
    year(4, LATER, role("ci-2"), "ann", "cem", minimum=120),
    # Releases need two signatures now.
    year(5, LATER, role("ci-2", "qa", "dan", threshold=2), "cem", "dan", minimum=120),
    # ann and cem leave.
    year(6, LAST, role("ci-3", "qa", "dan", threshold=2), "ann", "dan", "eva", minimum=300),
)
CHAIN = write_documents(HISTORY)


def site() -> Trust:
    return trust_in(HISTORY[0])


def test_a_site_that_knows_only_root_1_takes_a_bundle_of_year_6() -> None:
    signers = site().judge(make_claim("ci-3", "qa", sequence=301, minimum_root=6), CHAIN)
    assert signers.names == ("ci-3", "qa")
    assert signers.root.version == 6
    trust = site().remember(signers, Offer(301, make_claim("ci-3").index, START + 5 * YEAR))
    assert trust.enrolments["shop"].root.version == 6
    assert trust.enrolments["shop"].enrolled == HISTORY[0].fingerprint


@pytest.mark.parametrize("names", [("founder",), ("ci-1",), ("ci-2",), ("ci-1", "ci-2", "founder"), ("ann", "cem")])
def test_threat_06_no_key_of_former_years_signs_anything_acceptable(names: tuple[str, ...]) -> None:
    with pytest.raises(UnknownKeyError, match="of the 2 keys"):
        site().judge(make_claim(*names, sequence=400), CHAIN)


def test_threat_05_two_signatures_mean_two_keys() -> None:
    for names in (("qa",), ("dan",), ("qa", "ci-2")):
        with pytest.raises(UnknownKeyError, match="1 of the 2 keys"):
            site().judge(make_claim(*names, sequence=301), CHAIN)


def test_threat_06_what_a_stolen_key_signed_before_is_withdrawn_by_sequence() -> None:
    at_3 = site().follow(write_documents(HISTORY[:3]))
    with pytest.raises(RefusedError, match="lowest that counts is 120"):
        at_3.judge(make_claim("ci-2", sequence=119), b"")
    at_3.judge(make_claim("ci-2", sequence=120), b"")


def test_threat_06_a_lost_key_blocks_nothing_and_a_board_member_alone_decides_nothing() -> None:
    alone = write_documents([*HISTORY[:3], year(4, LATER, role("ci-2"), "ann")])
    with pytest.raises(UnknownKeyError, match="1 of the 2 keys"):
        site().follow(alone)
    assert site().follow(write_documents(HISTORY[:4])).enrolments["shop"].root.version == 4


@pytest.mark.parametrize("missing", range(1, 5))
def test_no_year_can_be_left_out(missing: int) -> None:
    chain = write_documents([*HISTORY[:missing], *HISTORY[missing + 1 :]])
    with pytest.raises(UnknownKeyError, match=f"from version {missing} to {missing + 2}"):
        site().judge(make_claim("ci-3", "qa", sequence=301), chain)


def test_the_order_in_the_chain_and_years_already_known_do_not_matter() -> None:
    for chain in (write_documents(reversed(HISTORY)), write_documents(HISTORY[2:])):
        trust = site().follow(write_documents(HISTORY[:3])).follow(chain)
        assert trust.enrolments["shop"].root.version == 6


def test_a_thief_of_an_old_root_key_cannot_lead_an_informed_site_astray() -> None:
    informed = site().follow(write_documents(HISTORY[:2]))
    forged = year(2, role("thief"), role("thief"), "founder", "thief")
    with pytest.raises(BadSignatureError, match="another version 2"):
        informed.follow(forged.to_bytes())
    with pytest.raises(UnknownKeyError):
        informed.follow(year(3, role("thief"), role("thief"), "founder", "thief").to_bytes())


def test_a_false_signature_in_the_chain_is_bad() -> None:
    document = year(2, BOARD, role("ci-1"), "ann", "bob")
    founder = key("founder").public.key_id
    forged = document.signed(Signature(founder, document.signatures[0].content))
    with pytest.raises(BadSignatureError, match="'founder' did not sign"):
        site().follow(forged.to_bytes())
