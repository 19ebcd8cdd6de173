"""The site's memory on disk: THREATS rows 9 and 37."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_format.errors import FlotoError, LockedError, RefusedError, UnsafeFileError
from bundle_format.lock import try_lock
from bundle_format.trust import state as state_module
from bundle_format.trust.admission import Floor, Offer
from bundle_format.trust.state import TrustFolder
from bundle_format.trust.trust import Trust
from tests.unit.bundle_format.trust.builders import START, make_claim, make_root, signed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="access lists guard these files there")


def open_state(site: Path) -> TrustFolder:
    return TrustFolder(site / "floto", Floor())


def trust_at(site: Path) -> Trust:
    return open_state(site).load()[0]


def take(site: Path, sequence: int) -> None:
    offer = Offer(sequence, make_claim().index, START)
    folder = open_state(site)
    folder.change(lambda trust: trust.remember(trust.judge(make_claim("acme", sequence=sequence), b""), offer))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    open_state(tmp_path).change(lambda trust: trust.enrol(signed(make_root(), "acme"), clock=START))
    take(tmp_path, 5)
    (tmp_path / "floto" / "journal").touch()
    return tmp_path


def copies(site: Path) -> tuple[Path, Path]:
    return site / "floto" / "trust", site / "floto.trust"


def sequence_at(site: Path) -> int:
    return trust_at(site).enrolments["shop"].memory.channels["stable"].sequence


def test_a_new_site_trusts_nothing_and_nothing_is_written(tmp_path: Path) -> None:
    assert trust_at(tmp_path) == Trust()
    assert not list(tmp_path.iterdir())


def test_what_is_kept_is_there_again(site: Path) -> None:
    trust, warnings = open_state(site).load()
    assert sequence_at(site) == 5
    assert trust.enrolments["shop"].root == make_root()
    assert warnings == ()
    assert copies(site)[0].joinpath("trust.json").read_bytes() == copies(site)[1].joinpath("trust.json").read_bytes()


def delete(path: Path) -> None:
    path.unlink()


def corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def forge(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"sequence":5', b'"sequence":1'))


@pytest.mark.parametrize("harm", [delete, corrupt, empty, forge])
@pytest.mark.parametrize("which", [0, 1])
def test_threat_09_one_copy_lost_or_changed_is_said_and_mended(
    site: Path, which: int, harm: Callable[[Path], None]
) -> None:
    harmed = copies(site)[which] / "trust.json"
    harm(harmed)
    _, warnings = open_state(site).load()
    assert [str(harmed) in warning for warning in warnings] == [True]
    assert sequence_at(site) == 5
    take(site, 6)
    assert open_state(site).load()[1] == ()
    assert sequence_at(site) == 6


@pytest.mark.parametrize("which", [0, 1])
def test_threat_09_a_whole_folder_deleted_loses_nothing(site: Path, which: int) -> None:
    shutil.rmtree(copies(site)[which])
    assert sequence_at(site) == 5


@pytest.mark.parametrize("which", [0, 1])
def test_threat_09_an_older_copy_put_back_does_not_count(site: Path, which: int) -> None:
    path = copies(site)[which] / "trust.json"
    older = path.read_bytes()
    take(site, 6)
    path.write_bytes(older)
    assert sequence_at(site) == 6


def test_threat_09_copies_that_changed_places_change_nothing(site: Path) -> None:
    first, second = (folder / "trust.json" for folder in copies(site))
    middle = site / "middle"
    first.rename(middle)
    second.rename(first)
    middle.rename(second)
    assert sequence_at(site) == 5


@pytest.mark.parametrize("harm", [delete, corrupt, empty, forge])
def test_threat_09_both_copies_gone_stop_the_site_until_the_makers_reset_it(
    site: Path, harm: Callable[[Path], None]
) -> None:
    for folder in copies(site):
        harm(folder / "trust.json")
    lost = trust_at(site)
    assert len(lost.challenge.split()) == 12
    assert trust_at(site).challenge == lost.challenge
    with pytest.raises(RefusedError, match=lost.challenge):
        lost.judge(make_claim("acme", sequence=4), b"")
    with pytest.raises(RefusedError, match="lost or tampered"):
        open_state(site).change(lambda trust: trust.enrol(signed(make_root(), "acme"), clock=START))


def test_threat_09_a_copy_from_another_host_does_not_count(
    site: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    open_state(other).change(lambda trust: trust.enrol(signed(make_root(), "acme"), clock=START))
    for own, foreign in zip(copies(site), copies(other), strict=True):
        shutil.copy(foreign / "trust.json", own / "trust.json")
    assert trust_at(site).challenge


@pytest.mark.parametrize("trace", ["journal", "receipts/1.json"])
def test_threat_09_traces_of_work_without_any_trust_are_a_loss(tmp_path: Path, trace: str) -> None:
    path = tmp_path / "floto" / trace
    path.parent.mkdir(parents=True)
    path.touch()
    assert trust_at(tmp_path).challenge


def cut_power_after(written: int, patched: pytest.MonkeyPatch) -> None:
    replace = state_module.replace_private
    left = [written]

    def until_the_cut(path: Path, content: bytes) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        replace(path, content)

    patched.setattr(state_module, "replace_private", until_the_cut)


@pytest.mark.parametrize("written", range(4))
def test_a_power_cut_between_the_copies_leaves_the_old_or_the_new(
    site: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        cut_power_after(written, patched)
        take(site, 6)
    assert sequence_at(site) == (6 if written >= 2 else 5)
    take(site, 7)
    assert sequence_at(site) == 7


@pytest.mark.parametrize("written", [0, 1])
def test_a_power_cut_at_the_first_enrolment_is_no_loss(
    tmp_path: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        cut_power_after(written, patched)
        open_state(tmp_path).change(lambda trust: trust.enrol(signed(make_root(), "acme"), clock=START))
    assert trust_at(tmp_path) == Trust()


def test_threat_37_folders_and_files_are_for_their_owner_alone(site: Path) -> None:
    for folder in copies(site):
        assert folder.stat().st_mode & 0o777 == 0o700
        for name in ("trust.json", "host.key"):
            assert (folder / name).stat().st_mode & 0o777 == 0o600


def open_to_others(path: Path) -> None:
    path.chmod(0o660)


def give_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 12345, 12345)


def turn_into_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("harm", [open_to_others, give_away, turn_into_link])
@pytest.mark.parametrize("name", ["trust.json", "host.key"])
def test_threat_37_what_others_could_have_changed_is_not_read(
    site: Path, name: str, harm: Callable[[Path], None]
) -> None:
    harm(copies(site)[0] / name)
    with pytest.raises(FlotoError) as refusal:
        trust_at(site)
    assert name in refusal.value.message


def test_threat_37_a_folder_open_to_others_is_not_written_into(site: Path) -> None:
    copies(site)[1].chmod(0o777)
    with pytest.raises(UnsafeFileError, match="open to others"):
        take(site, 6)


def test_two_agents_do_not_write_at_once(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "_PAUSE", 0.001)
    with (copies(site)[0] / "lock").open("ab") as held:
        assert try_lock(held)
        with pytest.raises(LockedError):
            take(site, 6)
    take(site, 6)
