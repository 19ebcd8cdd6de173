"""Deltas from end to end: what one release and a difference make is the next release, or nothing at all."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.stage import lacking, require, stage
from builder.delta import Baseline, as_delta, baseline_at, baseline_of
from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, DefinitionError, MissingError
from bundle_format.inventory import Held, Inventory
from bundle_format.layout.index import Base
from bundle_format.layout.preamble import Kind
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.release.model import MachineImage
from bundle_format.store import Store
from bundle_format.writer import Heading, carry, draft_bundle, types_in, whole_file
from tests.bundles import ISSUED, Made, key, make_bundle, noise
from tests.images import layer


def layers(version: int) -> tuple[bytes, ...]:
    base = layer({f"usr/lib/part{number}": noise(number, 20_000) for number in range(30)})
    app = {f"srv/app/part{number}": noise(100 + number, 20_000) for number in range(30)}
    return base, layer(app | {"srv/app/version": str(version).encode() * 100})


@pytest.fixture
def releases(tmp_path: Path) -> tuple[Made, Made]:
    """Two releases whose application layer differs by one small file."""
    older = make_bundle(tmp_path / "one", {"notes": b"1"}, layers(1), name="one.floto", version="1", sequence=1)
    newer = make_bundle(tmp_path / "two", {"notes": b"2"}, layers(2), name="two.floto", version="2", sequence=2)
    return older, newer


def write_delta(path: Path, new: Made, *bases: Made) -> Path:
    with ExitStack() as stack:
        opened = [stack.enter_context(open_bundle(base.path, base.trust)) for base in bases]
        return write_against(path, new, baseline_of(opened))


def write_against(path: Path, new: Made, baseline: Baseline) -> Path:
    carried = [carry(new.store, digest, kind) for digest, kind in types_in(new.release).items()]
    with as_delta(new.release, carried, baseline, new.store, Silence()) as (told, counted_on):
        heading = Heading(channel="stable", sequence=2, issued=ISSUED, bases=counted_on)
        draft = draft_bundle(new.release, told, heading, ())
        draft = draft.signed([key("acme").sign(draft.page.message)])
        with whole_file(path) as stream:
            draft.write(stream, Silence())
    return path


def inventory_of(made: Made, definition: bytes) -> Inventory:
    base = Base(release="1", sequence=1, index=made.written.index_digest, blobs=made.blobs)
    held = Held(base=base, definition=digest_of(definition))
    return Inventory(product="shop", site="krakow", written=ISSUED, releases=(held,))


def with_disk(made: Made, content: bytes) -> Made:
    blob = made.store.add_bytes(content)
    machine_images = {"guest": MachineImage(disk=blob.digest, size=blob.size)}
    return replace(made, release=made.release.model_copy(update={"machine_images": machine_images}))


def site_with(folder: Path, *made: Made) -> Store:
    store = Store(folder, threads=2)
    for one in made:
        with open_bundle(one.path, one.trust) as bundle:
            stage(bundle, store, list(bundle.entries), Silence())
    return store


def test_a_delta_rebuilds_the_release_from_what_the_site_has(releases: tuple[Made, Made], tmp_path: Path) -> None:
    older, newer = releases
    path = write_delta(tmp_path / "delta.floto", newer, older)
    site = site_with(tmp_path / "site", older)
    with open_bundle(path, newer.trust) as bundle:
        assert bundle.page.kind == Kind.DELTA
        assert {entry.at for entry in bundle.index.blobs} == {"bundle", "site", "patch"}
        assert bundle.verify(Silence()) == []
        stage(bundle, site, list(bundle.entries), Silence())
    assert all(site.read_bytes(digest) == newer.store.read_bytes(digest) for digest in newer.blobs)
    assert path.stat().st_size < newer.path.stat().st_size // 20


def test_the_same_delta_is_the_same_bytes(releases: tuple[Made, Made], tmp_path: Path) -> None:
    older, newer = releases
    first = write_delta(tmp_path / "a.floto", newer, older)
    assert first.read_bytes() == write_delta(tmp_path / "b.floto", newer, older).read_bytes()


def test_threat_39_a_site_without_the_base_is_told_what_it_lacks(releases: tuple[Made, Made], tmp_path: Path) -> None:
    older, newer = releases
    path = write_delta(tmp_path / "delta.floto", newer, older)
    site = Store(tmp_path / "site", threads=2)
    with open_bundle(path, newer.trust) as bundle, pytest.raises(MissingError) as told:
        require(bundle, site, list(bundle.entries))
    base, app = older.release.images["web"].layers
    assert f"{base} is in release 1, bundle {older.written.index_digest}" in told.value.message
    assert f"{app} is in release 1" in told.value.message
    assert list(site) == []


def test_threat_39_a_damaged_base_is_found_before_anything_changes(releases: tuple[Made, Made], tmp_path: Path) -> None:
    older, newer = releases
    path = write_delta(tmp_path / "delta.floto", newer, older)
    site = site_with(tmp_path / "site", older)
    base = older.release.images["web"].layers[0]
    before = set(site)
    (file,) = site.root.glob(f"blobs/??/{base.removeprefix('sha256:')}")
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    with open_bundle(path, newer.trust) as bundle:
        assert lacking(bundle, site, list(bundle.entries)) == (base,)
        with pytest.raises(MissingError):
            require(bundle, site, list(bundle.entries))
    assert set(site) == before


def test_a_patch_that_rebuilds_another_blob_is_damage_and_is_not_kept(
    releases: tuple[Made, Made], tmp_path: Path
) -> None:
    older, newer = releases
    path = write_delta(tmp_path / "delta.floto", newer, older)
    site = site_with(tmp_path / "site", older)
    app = newer.release.images["web"].layers[1]
    with open_bundle(path, newer.trust) as bundle:
        # A base of the same size and other content: whole for the store's frames, yet not what the patch was made for.
        forged = Store(tmp_path / "forged", threads=2)
        other = forged.add_bytes(noise(77, site.size(older.release.images["web"].layers[1])))
        with forged.blob(other.digest) as base, bundle.rebuilt(app, base) as content, pytest.raises(DamageError):
            site.add(content, expected=app)
    assert app not in site


def test_the_disk_of_a_machine_is_told_as_differences(tmp_path: Path) -> None:
    files = [noise(number, 10 * 4096) for number in range(40)]
    older = with_disk(make_bundle(tmp_path / "one", name="one.floto"), b"".join(files))
    newer = with_disk(
        make_bundle(tmp_path / "two", name="two.floto"), b"".join(reversed(files)) + bytes(4096) + b"x" * 512
    )
    disk = newer.release.machine_images["guest"].disk
    definition = older.release.to_json()
    for digest in older.blobs:
        newer.store.add(older.store.open(digest))
    newer.store.add_bytes(definition)
    path = write_against(tmp_path / "delta.floto", newer, baseline_at(inventory_of(older, definition), (), newer.store))
    site = Store(tmp_path / "site", threads=2)
    for digest in older.blobs:
        site.add(older.store.open(digest))
    with open_bundle(path, newer.trust) as bundle:
        assert bundle.entries[disk].at == "patch"
        stage(bundle, site, list(bundle.entries), Silence())
    assert site.read_bytes(disk) == newer.store.read_bytes(disk)
    assert path.stat().st_size < len(files) * len(files[0]) // 10


def test_bases_of_two_products_are_refused(releases: tuple[Made, Made]) -> None:
    older, newer = releases
    with open_bundle(older.path, older.trust) as one, open_bundle(newer.path, newer.trust) as two:
        two.index = two.index.model_copy(update={"product": "other"})
        with pytest.raises(DefinitionError):
            baseline_of([one, two])


def test_two_bases_name_each_blob_once(releases: tuple[Made, Made], tmp_path: Path) -> None:
    older, newer = releases
    path = write_delta(tmp_path / "delta.floto", newer, older, newer)
    with open_bundle(path, newer.trust) as bundle:
        named = [digest for base in bundle.index.bases for digest in base.blobs]
        assert len(named) == len(set(named))
        assert all(entry.at != "patch" for entry in bundle.index.blobs)


def test_a_delta_for_an_inventory_takes_its_bases_from_the_builders_own_store(
    releases: tuple[Made, Made], tmp_path: Path
) -> None:
    older, newer = releases
    definition = older.release.to_json()
    for digest in older.blobs:
        newer.store.add(older.store.open(digest))
    newer.store.add_bytes(definition)
    baseline = baseline_at(inventory_of(older, definition), (), newer.store)
    path = write_against(tmp_path / "delta.floto", newer, baseline)
    site = site_with(tmp_path / "site", older)
    with open_bundle(path, newer.trust) as bundle:
        assert "patch" in {entry.at for entry in bundle.index.blobs}
        stage(bundle, site, list(bundle.entries), Silence())
    assert all(digest in site for digest in newer.blobs)


def test_a_delta_for_an_inventory_alone_leaves_out_what_the_site_has(
    releases: tuple[Made, Made], tmp_path: Path
) -> None:
    older, newer = releases
    baseline = baseline_at(inventory_of(older, b"unknown"), (), newer.store)
    path = write_against(tmp_path / "delta.floto", newer, baseline)
    with open_bundle(path, newer.trust) as bundle:
        assert bundle.entries[newer.release.images["web"].layers[0]].at == "site"
        assert bundle.entries[newer.release.images["web"].layers[1]].at == "bundle"
