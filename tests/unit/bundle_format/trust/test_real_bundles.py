"""Whole bundles under a site's trust: THREATS rows 5, 6, 8 and 34 from the file to the verdict."""

from pathlib import Path

import pytest

from bundle_format.countersign import add_signature, read_unjudged
from bundle_format.errors import BadSignatureError, DamageError, RefusedError, UnknownKeyError
from bundle_format.layout.preamble import PAGE_SIZE
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.trust.admission import Offer
from bundle_format.trust.signing import Signature
from bundle_format.trust.trust import Signers, Trust, trust_in
from tests.bundles import make_bundle
from tests.unit.bundle_format.trust.builders import START, key, make_root, role, signed
from tests.unit.bundle_format.trust.test_years import HISTORY

TWO = make_root(release=role("ann", "bob", "cem", threshold=2))


def signers_of(path: Path, trust: Trust) -> tuple[Signers, Offer]:
    with open_bundle(path, trust) as bundle:
        index = bundle.index
        assert bundle.verify(Silence()) == []
        return bundle.signers, Offer(index.sequence, bundle.page.index_digest, index.issued, index.expires, index.sites)


def sign(path: Path, *names: str) -> None:
    for name in names:
        page = read_unjudged(path).page
        add_signature(path, page, key(name).sign(page.message))


def test_threat_06_after_five_years_a_site_that_knows_root_1_takes_a_bundle(tmp_path: Path) -> None:
    path = make_bundle(tmp_path, sequence=301, signer="ci-3", chain=HISTORY).path
    trust = trust_in(HISTORY[0])
    with pytest.raises(UnknownKeyError, match="1 of the 2 keys"):
        open_bundle(path, trust)
    sign(path, "qa")
    signers, offer = signers_of(path, trust)
    assert (signers.names, signers.root.version) == (("ci-3", "qa"), 6)
    assert trust.remember(signers, offer).enrolments["shop"].memory.channels["stable"].sequence == 301


@pytest.mark.parametrize("signer", ["founder", "ci-1", "ci-2"])
def test_threat_06_no_old_key_opens_a_bundle_whatever_chain_it_brings(tmp_path: Path, signer: str) -> None:
    informed = trust_in(HISTORY[0]).follow(b"".join(document.to_bytes() for document in HISTORY))
    for years in (0, 1, 6):
        path = make_bundle(tmp_path / str(years), sequence=400, signer=signer, chain=HISTORY[:years]).path
        with pytest.raises(UnknownKeyError):
            open_bundle(path, informed)


def test_threat_05_one_key_never_makes_two(tmp_path: Path) -> None:
    trust = trust_in(signed(TWO, "acme"))
    path = make_bundle(tmp_path, signer="ann").path
    sign(path, "ann", "ann", "stranger")
    with pytest.raises(UnknownKeyError, match="1 of the 2 keys"):
        open_bundle(path, trust)
    sign(path, "cem")
    assert signers_of(path, trust)[0].names == ("ann", "cem")


def test_a_forged_signature_of_a_known_key_is_bad_beside_enough_good_ones(tmp_path: Path) -> None:
    trust = trust_in(signed(TWO, "acme"))
    path = make_bundle(tmp_path, signer="ann").path
    sign(path, "cem")
    page = read_unjudged(path).page
    add_signature(path, page, Signature(key("bob").public.key_id, bytes(64)))
    with pytest.raises(BadSignatureError, match="'bob'"):
        open_bundle(path, trust)


def test_a_signing_that_was_interrupted_leaves_a_bundle_that_opens(tmp_path: Path) -> None:
    made = make_bundle(tmp_path)
    content = bytearray(made.path.read_bytes())
    content[:PAGE_SIZE] = bytes(PAGE_SIZE)
    made.path.write_bytes(content)
    with open_bundle(made.path, made.trust) as bundle:
        assert bundle.signers.names == ("acme",)
    with pytest.raises(DamageError):
        read_unjudged(made.path)


def test_threat_08_an_older_bundle_is_genuine_and_yet_refused(tmp_path: Path) -> None:
    old, new = (make_bundle(tmp_path / name, sequence=sequence) for name, sequence in (("old", 3), ("new", 4)))
    trust = new.trust
    trust = trust.remember(*signers_of(new.path, trust))
    with pytest.raises(RefusedError, match="sequence is 3, and this site took 4"):
        trust.admit(*signers_of(old.path, trust), clock=START, site="krakow-1")
    trust.admit(*signers_of(new.path, trust), clock=START, site="krakow-1")


def test_a_revoked_bundle_does_not_open(tmp_path: Path) -> None:
    made = make_bundle(tmp_path)
    revoked = make_root(2, revoked={made.written.index_digest: "it loses orders"})
    with pytest.raises(RefusedError, match="it loses orders"):
        open_bundle(made.path, made.trust.follow(signed(revoked, "acme").to_bytes()))
