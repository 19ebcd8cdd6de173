"""The resolved release is read strictly: names are names, and everything wrong is told at once."""

import pytest
from pydantic import ValidationError

from bundle_format.canonical import canonical
from bundle_format.digest import digest_of
from bundle_format.release.model import Release, Variant, release_from_json

RELEASE = Release(
    product="shop", version="1.0", evaluator="starlark", sources={}, variants=(Variant(when={}, objects={}),)
)


def test_a_release_survives_its_own_text() -> None:
    assert release_from_json(RELEASE.to_json()) == RELEASE


def test_a_text_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(ValueError, match="canonical"):
        release_from_json(RELEASE.to_json() + b"\n")


@pytest.mark.parametrize("name", ["../../etc", "a/b", "a", "", "-x", "a\x1b[2J", "a b", "ä" * 4, "x" * 65])
def test_threat_20_names_that_look_like_paths_or_hide_controls_are_refused(name: str) -> None:
    tree = RELEASE.model_dump(mode="json") | {"variants": [{"when": {}, "objects": {"container": {name: {}}}}]}
    with pytest.raises(ValidationError, match="a name has 2 to 64"):
        release_from_json(canonical(tree))


@pytest.mark.parametrize("name", ["/etc/passwd", "../a", "a/../b", "a\\..\\b", "a\x1b[2J", "a\nb", "", "x" * 256])
def test_threat_20_a_files_name_is_no_way_out_of_a_folder(name: str) -> None:
    digest = digest_of(b"")
    for table in ({"sources": {name: digest}}, {"files": {name: {"digest": digest, "size": 0}}}):
        with pytest.raises(ValidationError, match="a file's name"):
            release_from_json(canonical(RELEASE.model_dump(mode="json") | table))


@pytest.mark.parametrize("tag", ["shop/web:1+2", "Shop/web:1", "shop/a..b:1", "shop/a-:1", "shop/web:", "a" * 385])
def test_an_image_has_a_name_that_engines_take(tag: str) -> None:
    digest = digest_of(b"")
    image = {"tag": tag, "config": digest, "manifest": digest, "layers": [], "size": 0}
    with pytest.raises(ValidationError, match="as engines take it"):
        release_from_json(canonical(RELEASE.model_dump(mode="json") | {"images": {"web": image}}))


def test_all_faults_are_told_together() -> None:
    tree = RELEASE.model_dump(mode="json") | {"product": "a/b", "version": "", "surprise": 1}
    with pytest.raises(ValidationError) as refused:
        release_from_json(canonical(tree))
    assert {fault["loc"][0] for fault in refused.value.errors()} == {"product", "version", "surprise"}
