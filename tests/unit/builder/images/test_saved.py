"""Saved images are believed only as far as their digests go."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from builder.images.oci import image_of
from builder.images.saved import apart, read_saved
from bundle_format.digest import digest_of, hex_of
from bundle_format.errors import DamageError
from bundle_format.store import Store
from tests import images

LAYERS = [images.layer({"a": b"one"}), images.layer({"b": b"two"})]
CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in LAYERS]},
    }
).encode()


def archive(members: dict[str, bytes | str]) -> io.BytesIO:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    target.seek(0)
    return target


def manifest(*layers: str) -> bytes:
    return json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": layers}]).encode()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_the_old_layout_with_a_link_between_equal_layers(store: Store) -> None:
    config = json.loads(CONFIG)
    config["rootfs"]["diff_ids"] = [digest_of(LAYERS[0])] * 2
    text = json.dumps(config).encode()
    saved = archive(
        {
            "x/VERSION": b"1.0",
            "x/json": b"{}",
            "x/layer.tar": "../y/layer.tar",
            "y/layer.tar": LAYERS[0],
            "c.json": text,
            "manifest.json": manifest("x/layer.tar", "y/layer.tar"),
        }
    )
    assert read_saved(saved, store) == [digest_of(text)]


def test_compressed_layers_are_kept_uncompressed(store: Store) -> None:
    packed = [gzip.compress(layer) for layer in LAYERS]
    names = [f"blobs/sha256/{hex_of(digest_of(layer))}" for layer in packed]
    saved = archive({**dict(zip(names, packed, strict=True)), "c.json": CONFIG, "manifest.json": manifest(*names)})
    (config,) = read_saved(saved, store)
    image = image_of(store, store.read_bytes(config), "t", {})
    assert [store.read_bytes(layer) for layer in image.layers] == LAYERS
    assert image.size == sum(map(len, LAYERS))


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"manifest.json": b"{"},
        {"manifest.json": b'[{"Config": "c.json"}]'},
        {"manifest.json": manifest("a", "b")},
        {"a": LAYERS[0], "c.json": b"{}", "manifest.json": manifest("a")},
        {"a": LAYERS[0], "b": b"forged", "c.json": CONFIG, "manifest.json": manifest("a", "b")},
        {"a": LAYERS[0], "b": LAYERS[1], "c.json": CONFIG, "manifest.json": manifest("b", "a")},
        {"a": LAYERS[0], "b": LAYERS[1], "c.json": CONFIG, "manifest.json": manifest("a")},
    ],
)
def test_threat_21_a_saved_image_that_lies_is_refused(store: Store, members: dict[str, bytes | str]) -> None:
    with pytest.raises(DamageError):
        read_saved(archive(members), store)


def test_a_stream_that_is_cut_is_told(store: Store) -> None:
    members = {"a": LAYERS[0], "b": LAYERS[1], "c.json": CONFIG, "manifest.json": manifest("a", "b")}
    whole = archive(dict(members)).getvalue()
    for length in (0, 100, 700, 11_000, 22_000):
        with pytest.raises(DamageError):
            read_saved(io.BytesIO(whole[:length]), store)


def test_images_with_a_layer_in_common_are_not_saved_apart() -> None:
    base, java, lone, rest = (digest_of(name) for name in (b"base", b"java", b"lone", b"rest"))
    assert apart({}) == []
    assert apart({"a": [base], "b": [lone], "c": []}) == [["a"], ["b"], ["c"]]
    assert apart({"a": [base], "b": [lone], "c": [base, java]}) == [["b"], ["a", "c"]]
    assert apart({"a": [base], "b": [lone], "c": [rest], "d": [base, lone]}) == [["c"], ["a", "b", "d"]]
