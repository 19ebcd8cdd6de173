"""`floto-agent verify`, `inspect` and `repair` as an operator meets them: parts, damage, copies, repairs, pipes."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import VERBS
from agent.floor import FLOOR
from bundle_format.damage import DamageReport, read_report
from bundle_format.errors import ExitCode
from bundle_format.layout.frames import FRAME
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.split import split
from bundle_format.terminal import run_program
from bundle_format.trust.state import TrustFolder
from tests.bundles import Made, make_bundle, noise, root_document
from tests.images import layer

Run = Callable[..., Any]
PART = 3_000_000
FILES = {"app.conf": b"listen 80;\n", "big.bin": noise(1, 2 * FRAME + 99)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    base, app = layer({"etc/motd": noise(2, 30_000)}), layer({"srv/app": noise(3, 9000)})
    return make_bundle(tmp_path_factory.mktemp("bundle"), FILES, (base, app))


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb on a site that knows the makers; what it says, or its JSON. `code` is how it must end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOTO_STATE", "state")
    TrustFolder(Path("state"), FLOOR).change(lambda trust: trust.enrol(root_document("acme"), clock=0))

    def run(*words: str | Path, code: int = 0, piped: bytes | None = None) -> Any:
        if piped is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
        ended = run_program("floto-agent", "test", "", VERBS, tuple(map(str, words)))
        out, err = capsys.readouterr()
        assert ended == code, out + err
        return json.loads(out) if "--json" in words else out + err

    return run


def hurt(source: Path, target: Path, *offsets: int) -> Path:
    content = bytearray(source.read_bytes())
    for offset in offsets:
        content[offset] ^= 0xFF
    target.write_bytes(content)
    return target


def frame_offset(made: Made, name: str, number: int = 0) -> int:
    """Where a frame of a file or of the image's layer lies in the bundle."""
    layers = dict(enumerate(made.release.images["web"].layers))
    digest = made.release.files[name].digest if name in made.release.files else layers[int(name)]
    with open_bundle(made.path, made.trust) as bundle:
        entry = bundle.entries[digest]
        return made.path.read_bytes().find(bundle.stored_frame(entry.first + number), 4096)


def test_a_whole_bundle_is_told_with_its_signers_and_its_age(floto: Run, made: Made) -> None:
    told = floto("verify", made.path)
    assert "whole" in told and "signed by acme" in told and made.written.index_digest in told
    assert "issued 2023-11-14, " in told and " days old, number 1 of channel stable" in told
    assert floto("verify", made.path, "--json")["losses"] == []


@pytest.mark.parametrize("place", ["header page", "image", "mirror"])
def test_damage_is_told_by_name_blob_frame_and_bytes(floto: Run, made: Made, place: str, tmp_path: Path) -> None:
    offset = {"header page": 20, "image": frame_offset(made, "1"), "mirror": made.written.size - 9000}[place]
    bad = hurt(made.path, tmp_path / "bad.floto", offset)
    told = floto("verify", bad, "--report", "lost.json", code=ExitCode.DAMAGED)
    assert "NOT whole" in told and "hint: name another copy with --also" in told
    (loss,) = read_report(Path("lost.json").read_bytes()).losses
    assert loss.offset <= offset < loss.offset + loss.size
    (spot,) = loss.spots
    assert (spot.file, spot.offset, spot.size) == ("bad.floto", loss.offset, loss.size)
    assert f"bad.floto bytes {spot.offset} to {spot.offset + spot.size - 1}" in told
    if place == "image":
        assert (loss.name, loss.blob) == ("layer 2 of 2 of image web", made.release.images["web"].layers[1])
        assert f"{loss.what} of layer 2 of 2 of image web" in told and f"blob {loss.blob}" in told


@pytest.mark.parametrize("words", [("verify", "--report"), ("plan", "--out")])
@pytest.mark.parametrize("copy", ["bundle", "also"])
def test_a_bundle_is_not_written_over_by_what_is_told_of_it(
    floto: Run, made: Made, words: tuple[str, str], copy: str, tmp_path: Path
) -> None:
    Path(copy).mkdir()
    path = tmp_path / copy / made.path.name
    path.write_bytes(made.path.read_bytes())
    named = [path] if copy == "bundle" else [made.path, "--also", copy]
    told = floto(words[0], *named, words[1], path, code=ExitCode.USAGE)
    assert f"{path} cannot be written: it is one of the files that are read" in told
    assert path.read_bytes() == made.path.read_bytes()


def test_neighbouring_frames_are_told_together(floto: Run, made: Made, tmp_path: Path) -> None:
    bad = hurt(made.path, tmp_path / "bad.floto", *(frame_offset(made, "big.bin", number) + 9 for number in range(3)))
    (loss,) = floto("verify", bad, "--json", code=ExitCode.DAMAGED)["losses"]
    first, last = loss["frames"]
    assert (last - first, loss["name"], loss["what"]) == (2, "file big.bin", f"frames {first} to {last}")


def test_the_release_itself_lost_leaves_digests_for_names(floto: Run, made: Made, tmp_path: Path) -> None:
    with open_bundle(made.path, made.trust) as bundle:
        start = made.path.read_bytes().find(bundle.stored_frame(0), 4096)
    bad = hurt(made.path, tmp_path / "bad.floto", start, frame_offset(made, "app.conf"))
    names = [loss["name"] for loss in floto("verify", bad, "--json", code=ExitCode.DAMAGED)["losses"]]
    assert names == ["the release itself", ""]


def test_parts_are_verified_wherever_they_lie(floto: Run, made: Made, tmp_path: Path) -> None:
    for number, part in enumerate(split(made.path, tmp_path, PART, Silence())):
        (tmp_path / f"stick{number}").mkdir()
        part.rename(tmp_path / f"stick{number}" / part.name)
    assert "whole" in floto("verify", "stick2", "stick0", "stick1")
    assert "shop 1" in floto("inspect", "stick1", "stick2", "stick0")


def test_a_missing_part_is_named_as_missing(floto: Run, made: Made, tmp_path: Path) -> None:
    parts = split(made.path, tmp_path, PART, Silence())
    parts[1].unlink()
    told = floto("verify", tmp_path, code=ExitCode.MISSING)
    assert "missing: " in told and "shop-1.floto.002 (missing)" in told
    assert len(floto("verify", tmp_path, "--json", code=ExitCode.MISSING)["losses"]) == 1
    floto("inspect", tmp_path, code=ExitCode.MISSING)


def test_damage_beside_a_missing_part_is_damage(floto: Run, made: Made, tmp_path: Path) -> None:
    parts = split(made.path, tmp_path, PART, Silence())
    parts[1].unlink()
    hurt(parts[2], parts[2], frame_offset(made, "1") - 2 * PART)
    told = floto("verify", tmp_path, code=ExitCode.DAMAGED)
    assert "missing: " in told and "damaged: " in told


def test_threat_29_two_damaged_copies_are_whole_together(floto: Run, made: Made, tmp_path: Path) -> None:
    one = hurt(made.path, tmp_path / "one.floto", frame_offset(made, "big.bin"), 30)
    two = hurt(made.path, tmp_path / "two.floto", frame_offset(made, "0"))
    told = floto("verify", one, "--also", two)
    assert "whole together" in told and "another copy has it" in told
    told = floto("repair", one, "--also", two, "--output", "whole.floto")
    assert "whole.floto: whole" in told
    assert Path("whole.floto").read_bytes() == made.path.read_bytes()


def test_what_both_lost_is_lost_and_no_half_copy_stays(floto: Run, made: Made, tmp_path: Path) -> None:
    at = frame_offset(made, "0")
    one, two = (hurt(made.path, tmp_path / name, at + 1) for name in ("one.floto", "two.floto"))
    floto("verify", one, "--also", two, code=ExitCode.DAMAGED)
    told = floto("repair", one, "--also", two, "--output", "whole.floto", code=ExitCode.DAMAGED)
    assert "is damaged: one.floto bytes" in told
    assert not Path("whole.floto").exists()


def test_threat_29_a_repair_from_home_makes_a_copy_whole(floto: Run, made: Made, tmp_path: Path) -> None:
    bad = hurt(made.path, tmp_path / "bad.floto", 4, frame_offset(made, "1"), made.written.size - 5000)
    lost = DamageReport.model_validate_json(json.dumps(floto("verify", bad, "--json", code=ExitCode.DAMAGED)))
    with open_bundle(made.path, made.trust) as bundle, Path("fix.floto-repair").open("wb") as stream:
        bundle.write_repair([loss.frames[0] for loss in lost.lost if loss.frames], stream)
    assert Path("fix.floto-repair").stat().st_size < made.written.size // 100
    floto("verify", bad, "--also", "fix.floto-repair")
    floto("repair", bad, "--also", "fix.floto-repair", "--output", "whole.floto")
    assert Path("whole.floto").read_bytes() == made.path.read_bytes()


def test_nothing_is_overwritten(floto: Run, made: Made, tmp_path: Path) -> None:
    (tmp_path / "whole.floto").write_bytes(b"mine")
    assert "exists already" in floto("repair", made.path, "--output", "whole.floto", code=ExitCode.USAGE)
    assert (tmp_path / "whole.floto").read_bytes() == b"mine"


def test_a_pipe_is_verified_as_it_passes(floto: Run, made: Made) -> None:
    content = made.path.read_bytes()
    assert "the pipe: shop 1, whole" in floto("verify", "-", piped=content)
    assert "file" in floto("inspect", "-", piped=content)
    bad = content[:-5000] + b"?" + content[-4999:]
    assert "the pipe bytes" in floto("verify", "-", piped=bad, code=ExitCode.DAMAGED)
    assert "whole together" in floto("verify", "-", "--also", made.path, piped=bad)
    floto("verify", "-", piped=content[:100_000], code=ExitCode.DAMAGED)
    floto("verify", "-", piped=b"", code=ExitCode.DAMAGED)


def test_a_pipe_and_files_do_not_go_together(floto: Run, made: Made) -> None:
    assert "one whole bundle" in floto("verify", "-", made.path, piped=b"", code=ExitCode.USAGE)


@pytest.mark.parametrize("verb", ["verify", "inspect"])
def test_what_nobody_vouches_for_is_not_looked_at(floto: Run, verb: str, tmp_path: Path) -> None:
    stranger = make_bundle(tmp_path / "other", signer="eve")
    floto(verb, stranger.path, code=ExitCode.NOT_TRUSTED)
    floto(verb, tmp_path / "none.floto", code=ExitCode.MISSING)


def test_an_inspection_tells_what_the_bundle_is_for(floto: Run, made: Made) -> None:
    told = floto("inspect", made.path)
    assert "issued    2023-11-14, " in told
    assert "days old, number 1 of channel stable" in told


def test_an_inspection_writes_a_site_file_to_begin_with(floto: Run, made: Made) -> None:
    assert 'site = ""  # the name of this place' in floto("inspect", made.path, "--site-file")
