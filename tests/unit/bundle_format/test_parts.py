"""Parts, copies and repairs: whatever the sticks lost, the right bytes come out, or the fault is named."""

import itertools
import random
from pathlib import Path

import pytest

from bundle_format.errors import DamageError, FlotoError, MissingError
from bundle_format.layout.frames import FRAME
from bundle_format.progress import Silence
from bundle_format.reader import Bundle, open_bundle
from bundle_format.split import split
from tests.bundles import Made, make_bundle, noise

PART = 3_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bundle(tmp_path_factory.mktemp("bundle"), {"big.bin": noise(1, 2 * FRAME + 99), "a": b"x" * 9000})


@pytest.fixture
def parts(made: Made, tmp_path: Path) -> list[Path]:
    folder = tmp_path / "parts"
    folder.mkdir()
    return list(split(made.path, folder, PART, Silence()))


def scattered(parts: list[Path], *folders: Path) -> list[Path]:
    for number, part in enumerate(parts):
        folder = folders[number % len(folders)]
        folder.mkdir(exist_ok=True)
        part.rename(folder / part.name)
    return list(folders)


def content_of(bundle: Bundle) -> list[bytes]:
    return [bundle.read_bytes(entry.digest) for entry in bundle.index.blobs]


def frame_places(made: Made) -> list[tuple[int, int]]:
    """Offset and size of each frame of the file."""
    raw = made.path.read_bytes()
    with open_bundle(made.path, made.trust) as bundle:
        stored = [bundle.stored_frame(number) for number in range(len(bundle.table))]
    return [(raw.find(frame, 4096), len(frame)) for frame in stored]


def damaged(path: Path, target: Path, *offsets: int) -> Path:
    content = bytearray(path.read_bytes())
    for offset in offsets:
        content[offset] ^= 0xFF
    target.write_bytes(content)
    return target


def test_parts_are_pure_slices(made: Made, parts: list[Path]) -> None:
    assert [part.name for part in parts] == ["shop-1.floto.001", "shop-1.floto.002", "shop-1.floto.003"]
    assert b"".join(part.read_bytes() for part in parts) == made.path.read_bytes()
    assert [part.stat().st_size for part in parts[:-1]] == [PART, PART]


def test_parts_are_read_in_place_from_several_folders_in_any_order(
    made: Made, parts: list[Path], tmp_path: Path
) -> None:
    folders = scattered(parts, tmp_path / "stick1", tmp_path / "stick2")
    with open_bundle(made.path, made.trust) as whole:
        expected = content_of(whole)
    for order in itertools.permutations(folders):
        with open_bundle(order, made.trust) as bundle:
            assert content_of(bundle) == expected
            assert bundle.verify(Silence()) == []


def test_one_part_leads_to_the_others_beside_it(made: Made, parts: list[Path]) -> None:
    with open_bundle(parts[1], made.trust) as bundle:
        assert bundle.verify(Silence()) == []


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_part_is_named_first(made: Made, parts: list[Path], missing: int) -> None:
    parts[missing].unlink()
    with pytest.raises(MissingError, match=rf"missing: shop-1\.floto\.00{missing + 1}$"):
        open_bundle(parts[0].parent, made.trust)


def test_all_missing_parts_are_named(made: Made, tmp_path: Path) -> None:
    parts = split(made.path, tmp_path, 1_000_000, Silence())
    for number in (1, 3, 7, 8):
        parts[number].unlink()
    with pytest.raises(MissingError, match=r"missing: shop-1.floto.002, shop-1.floto.004$"):
        open_bundle(tmp_path, made.trust)
    for number in (1, 3):
        parts[number].write_bytes(made.path.read_bytes()[number * 1_000_000 :][:1_000_000])
    with pytest.raises(MissingError, match=r"missing: shop-1.floto.008, shop-1.floto.009$"):
        open_bundle(tmp_path, made.trust)


def test_a_part_cut_short_is_damage(made: Made, parts: list[Path]) -> None:
    parts[2].write_bytes(parts[2].read_bytes()[:-1000])
    with pytest.raises(DamageError, match="cut short"):
        open_bundle(parts[0], made.trust)
    parts[2].unlink()
    parts[1].write_bytes(parts[1].read_bytes()[:-1000])
    with pytest.raises(DamageError, match=r"cut short: .* blobs are whole"):
        open_bundle(parts[0], made.trust)


def test_threat_14_swapped_and_foreign_parts_are_found(made: Made, parts: list[Path], tmp_path: Path) -> None:
    one, two = parts[1].read_bytes(), parts[2].read_bytes()
    other = make_bundle(tmp_path, {"big.bin": noise(2, 2 * FRAME + 99), "a": b"y" * 9000}, sequence=2)
    foreign = other.path.read_bytes()[PART : 2 * PART]
    for content in (two.ljust(PART, b"\0"), foreign):
        parts[1].write_bytes(content)
        with open_bundle(parts[0], made.trust) as bundle:
            found = bundle.verify(Silence())
            assert found
            assert {place.name for damage in found for place in damage.places} >= {str(parts[1])}
    parts[1].write_bytes(one)
    with open_bundle(parts[0], made.trust) as bundle:
        assert bundle.verify(Silence()) == []


def test_nothing_is_written_to_the_stick(made: Made, parts: list[Path]) -> None:
    folder = parts[0].parent
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.iterdir()}
    with open_bundle(folder, made.trust) as bundle:
        content_of(bundle)
        bundle.verify(Silence())
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["typo.part", "typo.floto", "typo.floto.001"])
def test_a_place_that_does_not_exist_is_told_before_bundles_are_counted(
    made: Made, parts: list[Path], tmp_path: Path, name: str
) -> None:
    with pytest.raises(MissingError, match=f"/{name} does not exist"):
        open_bundle([*parts, tmp_path / name], made.trust)


def test_several_bundles_in_one_place_are_not_guessed_at(made: Made, tmp_path: Path) -> None:
    for name in ("a.floto", "b.floto.001"):
        (tmp_path / name).write_bytes(made.path.read_bytes())
    with pytest.raises(FlotoError, match=r"several bundles: a\.floto, b\.floto"):
        open_bundle(tmp_path, made.trust)
    with open_bundle(tmp_path / "a.floto", made.trust) as bundle:
        assert bundle.verify(Silence()) == []


def test_damage_is_told_as_blob_frame_part_and_bytes(made: Made, parts: list[Path]) -> None:
    number, (offset, size) = next((n, place) for n, place in enumerate(frame_places(made)) if place[1] > FRAME)
    damaged(parts[0], parts[0], offset + 100)
    with open_bundle(parts[0], made.trust) as bundle:
        (found,) = bundle.verify(Silence())
        assert (found.offset, found.size, found.frame) == (offset, size, number)
        assert found.blob == next(entry.digest for entry in bundle.index.blobs if entry.size == 2 * FRAME + 99)
        first, second = found.places
        assert (first.name, first.offset, first.size + second.size) == (str(parts[0]), offset, size)
        with pytest.raises(
            DamageError, match=rf"blob {found.blob}: frame {found.frame} is damaged: .*floto\.001 bytes"
        ):
            bundle.open_blob(found.blob).read()


def test_threat_29_two_copies_with_different_damage_make_a_whole_one(made: Made, tmp_path: Path) -> None:
    places = frame_places(made)
    rng = random.Random(5)
    hurt = rng.sample(places, len(places) // 2)
    one = damaged(made.path, tmp_path / "one.floto", 10, *(offset + 3 for offset, _ in hurt))
    two = damaged(
        made.path, tmp_path / "two.floto", 4100, *(offset + 3 for offset, _ in places if (offset, _) not in hurt)
    )
    with open_bundle(one, made.trust, also=[two]) as bundle:
        found = bundle.verify(Silence())
        assert len(found) == len(hurt) + 1
        assert all(damage.healed for damage in found)
        with (tmp_path / "healed.floto").open("wb") as stream:
            bundle.write_copy(stream, Silence())
    assert (tmp_path / "healed.floto").read_bytes() == made.path.read_bytes()


def test_what_both_copies_lost_stays_damaged(made: Made, tmp_path: Path) -> None:
    offset, _ = frame_places(made)[-4]
    one = damaged(made.path, tmp_path / "one.floto", offset + 5)
    two = damaged(made.path, tmp_path / "two.floto", offset + 6)
    with open_bundle(one, made.trust, also=[two]) as bundle:
        (found,) = bundle.verify(Silence())
        assert not found.healed
        assert found.blob
        with pytest.raises(DamageError, match=r"is damaged: one\.floto bytes"):
            bundle.open_blob(found.blob).read()


def test_a_copy_cut_short_is_completed_by_another(made: Made, tmp_path: Path) -> None:
    short = tmp_path / "short.floto"
    short.write_bytes(made.path.read_bytes()[: 2 * PART])
    with open_bundle(short, made.trust, also=[made.path]) as bundle:
        assert all(damage.healed for damage in bundle.verify(Silence()))
        content_of(bundle)


def test_a_missing_part_is_read_from_another_copy(made: Made, parts: list[Path]) -> None:
    parts[1].unlink()
    with open_bundle(parts[0], made.trust, also=[made.path]) as bundle:
        found = bundle.verify(Silence())
        assert {place.name for damage in found for place in damage.places if place.missing} == {"shop-1.floto.002"}
        assert all(damage.healed for damage in found)
        content_of(bundle)


def test_salvage_tells_what_a_copy_cut_short_lost(made: Made, tmp_path: Path) -> None:
    short = tmp_path / "short.floto"
    short.write_bytes(made.path.read_bytes()[: 2 * PART])
    with open_bundle(short, made.trust, salvage=True) as bundle:
        found = bundle.verify(Silence())
        assert found[0].offset <= 2 * PART
        assert found[-1].offset + found[-1].size == made.written.size


def test_a_copy_of_another_bundle_is_no_help(made: Made, tmp_path: Path) -> None:
    other = make_bundle(tmp_path, {"a": b"other"}, sequence=2, name="other.floto")
    with pytest.raises(FlotoError, match="copy of another bundle"):
        open_bundle(made.path, made.trust, also=[other.path])


def test_a_repair_carries_just_the_bad_frames(made: Made, tmp_path: Path) -> None:
    places = frame_places(made)
    hurt = damaged(made.path, tmp_path / "hurt.floto", places[-4][0] + 7, places[0][0] + 1)
    with open_bundle(hurt, made.trust) as bundle:
        numbers = [damage.frame for damage in bundle.verify(Silence()) if damage.frame is not None]
    assert numbers == [0, len(places) - 4]
    repair = tmp_path / "fix.floto-repair"
    with open_bundle(made.path, made.trust) as bundle, repair.open("wb") as stream:
        bundle.write_repair(numbers, stream)
    assert repair.stat().st_size < FRAME + 20_000
    with open_bundle(hurt, made.trust, also=[repair]) as bundle:
        assert [damage.healed for damage in bundle.verify(Silence())] == [True, True]
        content_of(bundle)


def test_a_damaged_repair_does_no_harm(made: Made, tmp_path: Path) -> None:
    offset, size = frame_places(made)[0]
    hurt = damaged(made.path, tmp_path / "hurt.floto", offset + 1)
    repair = tmp_path / "fix.floto-repair"
    with open_bundle(made.path, made.trust) as bundle, repair.open("wb") as stream:
        bundle.write_repair([0], stream)
        definition = bundle.index.definition
    good = repair.read_bytes()
    healed = refused = 0
    flipped = range(0, len(good), 5)
    for at in flipped:
        damaged(repair, tmp_path / "bad.floto-repair", at)
        try:
            with open_bundle(hurt, made.trust, also=[tmp_path / "bad.floto-repair"]) as bundle:
                assert bundle.read_bytes(definition) == made.release.to_json()
                healed += 1
        except FlotoError:
            refused += 1
    assert healed + refused == len(flipped)
    assert refused >= size // 5


def test_a_repair_alone_is_no_bundle(made: Made, tmp_path: Path) -> None:
    repair = tmp_path / "fix.floto-repair"
    with open_bundle(made.path, made.trust) as bundle, repair.open("wb") as stream:
        bundle.write_repair([0, 1], stream)
        with pytest.raises(ValueError, match="numbered from 0"):
            bundle.write_repair([len(bundle.table)], stream)
    with pytest.raises(DamageError, match="cut short"):
        open_bundle(repair, made.trust)
