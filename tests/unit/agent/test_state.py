"""Labels, chains and look-ups of observed state."""

import hashlib

from agent.labels import Labels, Owner, labels_from
from agent.state import EngineFacts, EngineState, ImageState, chain_ids
from bundle_format.digest import digest_of
from bundle_format.release.model import Image

LABELS = Labels("shop", "krakow-1", "one", "web", "2024.3", "{}", "sha256:0", "t1")
FACTS = EngineFacts("id", "one", "20.10.24", (1, 41), "amd64", "classic", "overlay2", "/var/lib/docker", 0)


def test_labels_survive_an_engine_that_adds_its_own() -> None:
    kept = {**LABELS.to_mapping(), "org.opencontainers.image.title": "x"}

    assert labels_from(kept) == LABELS
    assert LABELS.owner == Owner("shop", "krakow-1")


def test_a_container_with_some_of_our_labels_is_not_ours() -> None:
    kept = LABELS.to_mapping()
    del kept["floto.transaction"]

    assert labels_from(kept) is None
    assert labels_from({}) is None


def test_chain_ids_follow_the_image_specification() -> None:
    base, upper = digest_of(b"base"), digest_of(b"upper")

    chained = "sha256:" + hashlib.sha256(f"{base} {upper}".encode()).hexdigest()
    assert chain_ids((base, upper)) == (base, chained)
    assert chain_ids(()) == ()


def test_an_image_is_known_by_config_or_by_manifest_but_never_by_another_id() -> None:
    image = Image(tag="shop/web:1", config=digest_of(b"c"), manifest=digest_of(b"m"), layers=(digest_of(b"l"),), size=1)

    def state(*ids: str) -> EngineState:
        return EngineState("one", FACTS, images=tuple(ImageState(held, image.layers) for held in ids))

    assert state(digest_of(b"other"), image.config).image_id(image) == image.config
    assert state(image.manifest).image_id(image) == image.manifest
    assert state(digest_of(b"other")).image_id(image) is None
    assert state("any").chains() == frozenset(image.layers)
