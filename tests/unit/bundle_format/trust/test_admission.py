"""The site's memory: THREATS rows 7, 8, 10 and 11, on values alone."""

import pytest

from bundle_format.digest import Digest, digest_of
from bundle_format.errors import FlotoError, RefusedError, UnknownKeyError
from bundle_format.trust.admission import JUMP, Floor, Offer
from bundle_format.trust.authorisation import Authorisation, Lowering, Reset
from bundle_format.trust.documents import Document, write_documents
from bundle_format.trust.roots import Role
from bundle_format.trust.trust import Trust, trust_in
from tests.unit.bundle_format.trust.builders import DAY, START, key, make_claim, make_root, role, signed

OLD, NEW = digest_of(b"old"), digest_of(b"new")


def shop(**changes: object) -> Trust:
    return trust_in(signed(make_root(**changes), "acme"))  # type: ignore[arg-type]


def offer(sequence: int, index: Digest = NEW, issued: int = START, expires: int | None = None) -> Offer:
    return Offer(sequence, index, issued, expires)


def admit(trust: Trust, offered: Offer, clock: int = START, site: str = "krakow-1") -> tuple[str, ...]:
    claim = make_claim("acme", sequence=offered.sequence, index=offered.index)
    return trust.admit(trust.judge(claim, b""), offered, clock=clock, site=site)


def after(trust: Trust, offered: Offer, signer: str = "acme", chain: bytes = b"") -> Trust:
    claim = make_claim(signer, sequence=offered.sequence, index=offered.index)
    return trust.remember(trust.judge(claim, chain), offered)


def test_threat_08_what_is_older_than_what_ran_is_refused() -> None:
    trust = after(shop(), offer(5))
    with pytest.raises(RefusedError, match="sequence is 4, and this site took 5"):
        admit(trust, offer(4))
    admit(trust, offer(6))


def test_threat_08_the_same_sequence_is_taken_again_only_as_the_same_bundle() -> None:
    trust = after(shop(), offer(5, OLD))
    admit(trust, offer(5, OLD))
    with pytest.raises(RefusedError, match="another bundle with sequence 5"):
        admit(trust, offer(5, NEW))


def test_threat_08_what_runs_again_after_a_rollback_is_taken_again_and_nothing_else_that_is_old() -> None:
    trust = after(after(shop(), offer(2, OLD)), offer(4))
    with pytest.raises(RefusedError, match="sequence is 2, and this site took 4"):
        admit(trust, offer(2, OLD))

    back = trust.go_back("shop", offer(2, OLD))
    assert "it is the release that runs here; what may follow it stays as it was" in admit(back, offer(2, OLD))
    again = after(back, offer(2, OLD))
    for gone_back in (back, again):
        admit(gone_back, offer(2, OLD))
        admit(gone_back, offer(4))
        for older in (offer(2, digest_of(b"other")), offer(3), offer(4, digest_of(b"other"))):
            with pytest.raises(RefusedError, match=r"this site took 4|another bundle with sequence 4"):
                admit(gone_back, older)
    with pytest.raises(RefusedError, match="sequence is 2, and this site took 4"):
        admit(after(again, offer(4)), offer(2, OLD))


def test_threat_10_what_runs_again_after_a_rollback_may_not_have_expired_or_been_withdrawn() -> None:
    trust = after(after(shop(), offer(2, OLD)), offer(4)).go_back("shop", offer(2, OLD))
    with pytest.raises(RefusedError, match="the bundle expired"):
        admit(trust, offer(2, OLD, expires=START + DAY), clock=START + 2 * DAY)
    withdrawn = signed(make_root(2, channels={"stable": 3}), "acme").to_bytes()
    with pytest.raises(RefusedError, match="withdrew sequence 2"):
        trust.judge(make_claim("acme", sequence=2, index=OLD), withdrawn)


def test_a_site_that_lost_its_memory_goes_back_all_the_same() -> None:
    lost = Trust(challenge="legal winner thank")
    assert lost.go_back("shop", offer(2, OLD)) == lost


def test_threat_07_a_sequence_cannot_run_away() -> None:
    trust = after(shop(), offer(5))
    admit(trust, offer(5 + JUMP))
    with pytest.raises(RefusedError, match="more than 10000 ahead"):
        admit(trust, offer(6 + JUMP))


@pytest.mark.parametrize(
    ("before", "then", "forgotten"),
    [
        (role("acme"), role("zoe"), True),
        (role("acme"), role("acme", "zoe"), False),
        (role("acme", "eve"), role("acme"), True),
        (role("acme", "bob", "cem", threshold=2), role("acme", "bob", "dan", threshold=2), False),
        (role("acme", "bob", "cem", threshold=2), role("acme", "dan", "eve", threshold=2), True),
    ],
)
def test_threat_07_new_release_keys_free_a_site_from_what_stolen_ones_said(
    before: Role, then: Role, forgotten: bool
) -> None:
    poisoned = offer(2**52, issued=4_000_000_000)
    owners = role("owner")
    trust = trust_in(signed(make_root(root=owners, release=before), "owner"))
    claim = make_claim(*before.keys, sequence=poisoned.sequence, index=NEW)
    trust = trust.remember(trust.judge(claim, b""), poisoned)
    following = make_root(2, root=owners, release=then, issued=START + DAY, channels={"stable": 7})
    memory = trust.follow(signed(following, "owner").to_bytes()).enrolments["shop"].memory
    assert (memory.channels == {}) is forgotten
    assert memory.time == (START + DAY if forgotten else 4_000_000_000)


def test_threat_07_a_time_beyond_all_calendars_is_no_crash() -> None:
    trust = after(shop(), offer(5, issued=2**53 - 1))
    with pytest.raises(RefusedError, match="expired on 9999-12-31"):
        admit(trust, offer(6, expires=2**53 - 2))


def test_threat_07_after_the_reset_the_roots_minimum_holds() -> None:
    trust = after(shop(), offer(2**52))
    following = make_root(2, root=role("zoe"), channels={"stable": 7})
    chain = write_documents([signed(following, "acme", "zoe")])
    with pytest.raises(RefusedError, match="lowest that counts is 7"):
        trust.judge(make_claim("zoe", sequence=6), chain)
    taken = after(trust, offer(8), "zoe", chain)
    assert taken.enrolments["shop"].memory.channels["stable"].sequence == 8


def test_threat_10_an_expired_bundle_is_refused_and_its_age_told() -> None:
    bundle = offer(1, expires=START + 30 * DAY)
    assert admit(shop(), bundle, clock=START + 30 * DAY) == ("the release is 30 days old",)
    with pytest.raises(RefusedError, match="the bundle expired on 2023-12-14"):
        admit(shop(), bundle, clock=START + 31 * DAY)


def test_threat_10_an_expired_root_is_refused_with_every_other_reason() -> None:
    trust = after(shop(expires=START + DAY), offer(5))
    with pytest.raises(RefusedError, match=r"root 1 of shop expired.*bundle expired.*sequence is 4") as refusal:
        admit(trust, offer(4, expires=START + DAY), clock=START + 2 * DAY)
    assert "clock" in refusal.value.hint


def test_threat_12_a_bundle_for_other_sites_is_refused() -> None:
    bundle = Offer(1, NEW, START, sites=("lodz-2", "gdynia-1"))
    admit(shop(), bundle, site="lodz-2")
    with pytest.raises(RefusedError, match="for lodz-2, gdynia-1, and this is krakow-1"):
        admit(shop(), bundle)


FLOORS = [0, START, START + 60 * DAY]
CLOCKS = {"1970": 0, "now": START + 10 * DAY, "2099": 4_070_908_800}


@pytest.mark.parametrize("floor", FLOORS)
@pytest.mark.parametrize("clock", CLOCKS.values(), ids=CLOCKS.keys())
def test_threat_11_no_clock_revives_what_a_signed_time_has_passed(clock: int, floor: int) -> None:
    trust = Trust(shop().enrolments, floor=Floor(time=floor))
    bundle = offer(1, expires=START + 30 * DAY)
    expired = max(clock, floor, START) > START + 30 * DAY
    if expired:
        with pytest.raises(RefusedError, match="expired"):
            admit(trust, bundle, clock=clock)
    else:
        notes = admit(trust, bundle, clock=clock)
        assert any("judged by that" in note for note in notes) is (clock < START)


def test_threat_11_a_clock_set_back_does_not_revive_an_expired_bundle() -> None:
    trust = after(shop(), offer(2, issued=START + 60 * DAY))
    following = offer(3, issued=START, expires=START + 30 * DAY)
    with pytest.raises(RefusedError, match="expired"):
        admit(trust, following, clock=START)


def test_threat_11_a_clock_far_ahead_leaves_no_trace() -> None:
    trust = shop()
    with pytest.raises(RefusedError):
        admit(trust, offer(1, expires=START + DAY), clock=CLOCKS["2099"])
    trust = after(trust, offer(1, expires=START + DAY))
    assert trust.enrolments["shop"].memory.time == START
    admit(trust, offer(2, expires=START + DAY), clock=START)


def test_the_running_bundle_repairs_its_site_whatever_the_clock_says() -> None:
    bundle = offer(5, expires=START + DAY)
    notes = admit(after(shop(), bundle), bundle, clock=CLOCKS["2099"])
    assert any("expired" in note for note in notes)


def test_threat_09_an_agent_has_a_floor_that_no_deleted_file_lowers() -> None:
    trust = Trust(shop().enrolments, floor=Floor(roots={"shop": 2}, sequences={"shop": {"stable": 9}}))
    with pytest.raises(UnknownKeyError, match="root 2 of 'shop' is needed"):
        trust.judge(make_claim("acme"), b"")
    trust = Trust(shop().enrolments, floor=Floor(sequences={"shop": {"stable": 9}}))
    with pytest.raises(RefusedError, match="built to take sequence 9"):
        admit(trust, offer(8))
    admit(trust, offer(9))


def lowering(site: str | None = "krakow-1", expires: int = START + 7 * DAY, signer: str = "acme") -> Document:
    document = Authorisation(
        product="shop",
        site=site,
        issued=START,
        expires=expires,
        reason="2024.3 loses orders",
        lower=Lowering(channel="stable", sequence=4, index=OLD),
    ).to_document()
    return document.signed(key(signer).sign(document.message))


def test_the_makers_may_allow_one_site_to_go_down_once() -> None:
    trust = after(shop(), offer(5)).permit(lowering(), clock=START)
    assert any("makers allow" in note for note in admit(trust, offer(4, OLD)))
    for site, bundle in (("lodz-2", offer(4, OLD)), ("krakow-1", offer(4, NEW)), ("krakow-1", offer(3, OLD))):
        with pytest.raises(RefusedError):
            admit(trust, bundle, site=site)
    with pytest.raises(RefusedError):
        admit(trust, offer(4, OLD), clock=START + 8 * DAY)
    down = after(trust, offer(4, OLD))
    up = after(down, offer(5))
    with pytest.raises(RefusedError, match="took 5"):
        admit(up, offer(4, OLD))
    with pytest.raises(RefusedError, match="used before"):
        up.permit(lowering(), clock=START)


def test_a_permit_frees_from_expiry_but_not_from_what_the_root_withdrew() -> None:
    trust = after(shop(), offer(5)).permit(lowering(), clock=START)
    admit(trust, offer(4, OLD, expires=START - DAY))
    withdrawn = signed(make_root(2, channels={"stable": 5}), "acme").to_bytes()
    with pytest.raises(RefusedError, match="withdrew sequence 4"):
        trust.judge(make_claim("acme", sequence=4, index=OLD), withdrawn)


def test_an_authorisation_needs_its_role_its_time_and_its_product() -> None:
    trust = trust_in(signed(make_root(authorise=role("boss")), "acme"))
    with pytest.raises(UnknownKeyError, match="authorise"):
        trust.permit(lowering(signer="acme"), clock=START)
    with pytest.raises(RefusedError, match="expired"):
        trust.permit(lowering(signer="boss"), clock=START + 8 * DAY)
    with pytest.raises(RefusedError, match="expired"):
        trust.permit(lowering(signer="boss", expires=START - 1), clock=0)
    with pytest.raises(UnknownKeyError, match="does not know"):
        Trust().permit(lowering(), clock=START)
    with pytest.raises(RefusedError, match="no authorisation"):
        trust.permit(signed(make_root(), "acme"), clock=START)


def reset(challenge: str) -> Document:
    document = Authorisation(
        product="shop",
        issued=START + DAY,
        expires=START + 7 * DAY,
        reason="disk replaced",
        reset=Reset(challenge=challenge, channels={"stable": 5}),
    ).to_document()
    return document.signed(key("acme").sign(document.message))


def test_threat_09_a_lost_memory_begins_anew_only_with_a_reset_for_this_site() -> None:
    lost = Trust(challenge="legal winner thank")
    root = signed(make_root(), "acme")
    with pytest.raises(RefusedError, match="legal winner thank"):
        lost.judge(make_claim("acme"), b"")
    for wrong in (None, reset("zoo zoo zoo"), lowering()):
        with pytest.raises(RefusedError):
            lost.enrol(root, clock=START, reset=wrong)
    trust = lost.enrol(root, clock=START, reset=reset("legal winner thank"))
    with pytest.raises(RefusedError, match="took 5"):
        admit(trust, offer(4))
    admit(trust, offer(5, OLD))
    assert trust.enrolments["shop"].memory.time == START + DAY


def test_enrolling_again_is_nothing_and_enrolling_another_is_refused() -> None:
    root = signed(make_root(), "acme")
    trust = Trust().enrol(root, clock=START)
    assert trust.enrol(root, clock=START) == trust
    with pytest.raises(FlotoError, match="enrolled already"):
        trust.enrol(signed(make_root(root=role("mallory")), "mallory"), clock=START)


def test_an_older_trust_learns_from_what_a_bundle_brought() -> None:
    trust = shop()
    chain = write_documents([signed(make_root(2, root=role("zoe")), "acme", "zoe")])
    learnt = trust.learn(trust.judge(make_claim("zoe"), chain))
    with pytest.raises(UnknownKeyError):
        learnt.judge(make_claim("acme"), b"")
    assert learnt.enrolments["shop"].enrolled == trust.enrolments["shop"].enrolled
