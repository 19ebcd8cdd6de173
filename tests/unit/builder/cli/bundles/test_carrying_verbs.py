"""`floto-builder split`, `join`, `repair` and `verify`: what makers do about sticks that are small or have failed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.cli.main import VERBS
from bundle_format.damage import DamageReport, report_of
from bundle_format.errors import ExitCode
from bundle_format.layout.frames import FRAME
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.split import FAT32
from bundle_format.terminal import run_program
from tests.bundles import Made, make_bundle, noise, root_document

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bundle(tmp_path_factory.mktemp("bundle"), {"a": b"a", "big.bin": noise(1, FRAME + 99)})


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb beside the product's root document; what it says, or its JSON. `code` is how it must end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOTO_ROOT", "root-1.floto-root")
    Path("root-1.floto-root").write_bytes(root_document("acme").to_bytes())

    def run(*words: str | Path, code: int = 0) -> Any:
        try:
            ended = run_program("floto-builder", "test", "", VERBS, tuple(map(str, words)))
        except SystemExit as exit_:
            ended = int(exit_.code or 0)
        out, err = capsys.readouterr()
        assert ended == code, out + err
        return json.loads(out) if "--json" in words else out + err

    return run


def test_a_bundle_comes_apart_and_together_again(floto: Run, made: Made, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    parts = floto("split", made.path, "--size", "1500k", "--into", "parts", "--json")["parts"]
    assert [Path(part["file"]).name for part in parts] == [f"shop-1.floto.00{number}" for number in (1, 2, 3)]
    assert [part["size"] for part in parts[:2]] == [1_500_000, 1_500_000]
    assert "whole" in floto("verify", "parts")
    assert "shop 1" in floto("inspect", "parts")
    floto("join", "parts", "--output", "joined.floto")
    assert Path("joined.floto").read_bytes() == made.path.read_bytes()


def test_a_small_bundle_is_one_part_and_a_missing_one_is_named(floto: Run, made: Made, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    assert floto("split", made.path, "--into", "parts").count("shop-1.floto.") == 1
    floto("split", made.path, "--into", "parts", "--size", "1MiB")
    (tmp_path / "parts" / "shop-1.floto.003").unlink()
    assert "shop-1.floto.003" in floto("join", "parts", "--output", "joined.floto", code=ExitCode.MISSING)
    assert not Path("joined.floto").exists()


def test_parts_of_an_earlier_split_do_not_mix_with_new_ones(floto: Run, made: Made, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    floto("split", made.path, "--into", "parts", "--size", "1MB")
    told = floto("split", made.path, "--into", "parts", "--size", "3MB", code=ExitCode.USAGE)
    assert "shop-1.floto.003, shop-1.floto.004, shop-1.floto.005" in told
    assert (tmp_path / "parts" / "shop-1.floto.001").stat().st_size == 1_000_000


@pytest.mark.parametrize("size", ["0", "-1", "4x", "", "1.5G", "999999999999999999999"])
def test_a_size_that_is_none_is_refused(floto: Run, made: Made, size: str) -> None:
    assert f"{size!r} is no size such as 650M or 4GiB" in floto("split", made.path, f"--size={size}", code=2)


@pytest.mark.parametrize(
    ("size", "most"),
    [("2000000", 2_000_000), ("2000K", 2_000_000), ("2m", 2_000_000), ("2mB", 2_000_000), ("2mib", 2 << 20)],
)
def test_the_unit_of_a_size_is_read_in_either_case(
    floto: Run, made: Made, tmp_path: Path, size: str, most: int
) -> None:
    first, *_ = floto("split", made.path, "--size", size, "--into", tmp_path, "--json")["parts"]
    assert first["size"] == most


@pytest.mark.parametrize("size", ["10", "4k"])
def test_no_more_parts_are_made_than_cat_joins(floto: Run, made: Made, tmp_path: Path, size: str) -> None:
    told = floto("split", made.path, "--size", size, code=ExitCode.USAGE)
    assert "999 are the most\nhint: Name a larger size." in told
    assert not list(made.path.parent.glob("*.001"))


def test_what_is_no_bundle_is_not_split(floto: Run, made: Made, tmp_path: Path) -> None:
    (tmp_path / "some.iso").write_bytes(bytes(10_000))
    floto("split", "some.iso", code=ExitCode.DAMAGED)
    told = floto("split", made.path, "--into", "nowhere", code=ExitCode.USAGE)
    assert "nowhere/shop-1.floto.001 cannot be written: nowhere is no folder\nhint: Make it" in told
    assert [path.name for path in tmp_path.iterdir() if ".00" in path.name] == []


def test_a_part_fits_where_files_have_less_than_4_gib() -> None:
    assert FAT32 < 1 << 32
    assert FAT32 % (1 << 20) == 0


def report(made: Made, copy: Path) -> DamageReport:
    with open_bundle(copy, made.trust, salvage=True) as bundle:
        return report_of(bundle, bundle.verify(Silence()))


def damaged(made: Made, target: Path, name: str) -> Path:
    with open_bundle(made.path, made.trust) as bundle:
        entry = bundle.entries[made.release.files[name].digest]
        content = bytearray(made.path.read_bytes())
        content[content.find(bundle.stored_frame(entry.first), 4096)] ^= 1
    target.write_bytes(content)
    return target


def test_a_repair_is_made_of_what_sites_have_lost(floto: Run, made: Made, tmp_path: Path) -> None:
    for name in ("a", "big.bin"):
        copy = damaged(made, tmp_path / f"{name}.floto", name)
        (tmp_path / f"{name}.json").write_text(report(made, copy).model_dump_json(), encoding="utf-8")
    told = floto("repair", made.path, "--report", "a.json", "--report", "big.bin.json", "--json")
    assert (told["repair"], len(told["frames"])) == ("shop-1.floto-repair", 2)
    for name in ("a", "big.bin"):
        floto("verify", f"{name}.floto", code=ExitCode.DAMAGED)
        assert "whole together" in floto("verify", f"{name}.floto", "--also", "shop-1.floto-repair")
    floto("repair", made.path, "--report", "a.json", "--output", "small.floto-repair")
    assert Path("small.floto-repair").stat().st_size < 20_000


@pytest.mark.parametrize("named", ["whole", "whole/shop-1.floto"])
@pytest.mark.parametrize("output", ["whole/shop-1.floto", "a.json"])
def test_a_repair_never_takes_the_place_of_what_it_is_made_of(
    floto: Run, made: Made, tmp_path: Path, named: str, output: str
) -> None:
    Path("whole").mkdir()
    Path("whole/shop-1.floto").write_bytes(made.path.read_bytes())
    lost = report(made, damaged(made, tmp_path / "bad.floto", "a")).model_dump_json()
    Path("a.json").write_text(lost, encoding="utf-8")
    told = floto("repair", named, "--report", "a.json", "--output", output, code=ExitCode.USAGE)
    assert f"{output} cannot be written: it is one of the files that are read" in told
    assert Path("whole/shop-1.floto").read_bytes() == made.path.read_bytes()


def test_a_copy_that_cannot_be_opened_is_opened_with_a_repair_of_its_beginning(
    floto: Run, made: Made, tmp_path: Path
) -> None:
    content = made.path.read_bytes()
    (tmp_path / "bad.floto").write_bytes(bytes(6000) + content[6000:-6000] + bytes(6000))
    floto("verify", "bad.floto", code=ExitCode.DAMAGED)
    floto("repair", made.path, "--output", "fix.floto-repair")
    told = floto("verify", "bad.floto", "--also", "fix.floto-repair")
    assert "header page" in told and "whole together" in told


def test_a_report_of_another_bundle_is_refused(floto: Run, made: Made, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", {"a": b"b"}, version="2", sequence=2)
    (tmp_path / "lost.json").write_text(report(other, other.path).model_dump_json(), encoding="utf-8")
    told = floto("repair", made.path, "--report", "lost.json", code=ExitCode.USAGE)
    assert f"of another bundle: shop 2, {other.written.index_digest}" in told
    lying = report(made, damaged(made, tmp_path / "bad.floto", "a")).model_dump(mode="json")
    lying["losses"][0]["frames"] = [0, 2**52]
    (tmp_path / "lost.json").write_text(json.dumps(lying), encoding="utf-8")
    floto("repair", made.path, "--report", "lost.json", code=ExitCode.USAGE)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"format":"floto-damage/2"}', "\xff"])
def test_what_is_no_report_is_said_to_be_none(floto: Run, made: Made, text: str, tmp_path: Path) -> None:
    (tmp_path / "lost.json").write_text(text, encoding="latin-1")
    told = floto("repair", made.path, "--report", "lost.json", code=ExitCode.USAGE)
    assert "lost.json: this is no report of damage" in told and "floto-agent verify" in told
