"""Staging from a bundle into a site's store."""

from pathlib import Path

import pytest

from agent.stage import stage
from bundle_format.errors import DamageError, FlotoError
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle
from bundle_format.store import Store
from tests.bundles import Made, make_bundle


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_bundle(tmp_path)


def stage_all_images(made: Made, content: bytes, store: Store) -> None:
    """Stage what a deployment would: the image, the definition, but not the makers' sources."""
    path = made.path.with_name("copy.floto")
    path.write_bytes(content)
    image = made.release.images["web"]
    with open_bundle(path, made.trust, threads=1) as bundle:
        stage(bundle, store, {image.config, *image.layers, bundle.index.definition}, Silence())


def test_on_a_fresh_site_no_flipped_byte_passes_though_its_blob_were_not_needed(made: Made, tmp_path: Path) -> None:
    good = made.path.read_bytes()
    for offset in range(0, len(good), 331):
        bad = bytearray(good)
        bad[offset] ^= 1
        with pytest.raises(FlotoError):
            stage_all_images(made, bytes(bad), Store(tmp_path / f"site-{offset}", threads=1))


def test_what_the_site_holds_is_not_read_again(made: Made, tmp_path: Path) -> None:
    store = Store(tmp_path / "site", threads=1)
    good = made.path.read_bytes()
    stage_all_images(made, good, store)
    layer = made.release.images["web"].layers[0]
    with open_bundle(made.path, made.trust) as bundle:
        first = bundle.entries[layer].first
        stored = bundle.stored_frame(first)
    bad = bytearray(good)
    bad[good.index(stored) + 20] ^= 1

    stage_all_images(made, bytes(bad), store)
    with pytest.raises(DamageError, match=layer):
        stage_all_images(made, bytes(bad), Store(tmp_path / "other", threads=1))


def test_threat_22_a_stage_that_was_cut_short_goes_on_where_it_was(made: Made, tmp_path: Path) -> None:
    store = Store(tmp_path / "site", threads=1)
    image = made.release.images["web"]
    with open_bundle(made.path, made.trust) as bundle:
        stage(bundle, store, {image.config}, Silence())
        assert image.layers[0] not in store
        stage(bundle, store, {image.config, *image.layers}, Silence())
    assert image.layers[0] in store
