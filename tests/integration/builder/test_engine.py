"""A real engine's images come into the store proved, and go back for others to build on."""

import io
from pathlib import Path

import pytest

from builder.images.building import BuildOrder
from builder.images.oci import image_of, read_config
from builder.layers.layer import Entry, write_tar
from builder.sources.engine import Engine
from bundle_format.digest import digest_of
from bundle_format.errors import DefinitionError
from bundle_format.pieces import stream_of
from bundle_format.progress import Silence
from bundle_format.store import Store
from tests import images
from tests.engines import PrivateEngine
from tests.integration.builder.conftest import BUSYBOX

pytestmark = pytest.mark.engine


def order(dockerfile: str, **files: str) -> BuildOrder:
    contents = {"Dockerfile": dockerfile, **files}
    entries = [
        Entry(name, "file", 0o644, size=len(text), open=lambda text=text: io.BytesIO(text.encode()))
        for name, text in contents.items()
    ]
    return BuildOrder(stream_of(write_tar(entries, 0)), "Dockerfile", {}, None, "none", "linux/amd64")


def test_an_image_is_saved_with_the_layers_that_its_configuration_names(engine: Engine, store: Store) -> None:
    held = engine.find(BUSYBOX)
    assert held is not None
    configs = engine.save([held.id], store, Silence())
    assert configs == {held.id: held.id}
    assert held.layers == (digest_of(images.busybox_layer()),)
    assert store.read_bytes(held.layers[0]) == images.busybox_layer()


def test_images_with_layers_in_common_come_in_one_stream(engine: Engine, store: Store) -> None:
    built = [engine.build(order(f"FROM {BUSYBOX}\nRUN echo {name} > /{name}\n"), lambda _: None) for name in "ab"]
    configs = engine.save([image.id for image in built], store, Silence())
    for image in built:
        made = image_of(store, store.read_bytes(configs[image.id]), "t", {})
        assert made.layers == image.layers
        assert made.layers[0] == digest_of(images.busybox_layer())
    assert engine.save([], store, Silence()) == {}


def test_images_with_nothing_in_common_come_at_once(
    engine: Engine, private_engine: PrivateEngine, store: Store, tmp_path: Path
) -> None:
    ids = []
    for name in "abc":
        path = tmp_path / f"{name}.tar"
        path.write_bytes(images.layer({name: name.encode() * 1000}))
        ids.append(private_engine.docker("import", str(path)))
    configs = engine.save(ids, store, Silence())
    assert configs == {wanted: wanted for wanted in ids}
    for wanted in ids:
        assert all(layer in store for layer in image_of(store, store.read_bytes(configs[wanted]), "t", {}).layers)


def test_what_the_engine_lacks_is_none_or_told(engine: Engine, store: Store) -> None:
    assert engine.find("nowhere:none") is None
    with pytest.raises(DefinitionError, match="cannot save"):
        engine.save(["sha256:" + "0" * 64], store, Silence())


def test_a_build_has_no_network_and_a_failed_one_shows_its_output(engine: Engine) -> None:
    said: list[str] = []
    with pytest.raises(DefinitionError, match="only-in-the-log") as caught:
        engine.build(order(f"FROM {BUSYBOX}\nRUN ls /sys/class/net; echo only-in-the-log; false\n"), said.append)
    assert "eth0" not in caught.value.message
    assert "only-in-the-log" in said


def test_an_image_is_lent_to_another_engine_build(
    engine: Engine, private_engine: PrivateEngine, store: Store, tmp_path: Path
) -> None:
    layer = store.add_bytes(images.layer({"etc/lent": b"lent\n"}))
    base = store.add_bytes(images.busybox_layer())
    config = (
        b'{"architecture":"amd64","os":"linux","config":{"Cmd":["cat","/etc/lent"]},'
        b'"rootfs":{"type":"layers","diff_ids":["%s","%s"]}}' % (base.digest.encode(), layer.digest.encode())
    )
    image = image_of(store, config, "lent", {})
    name = engine.lend(image, store)
    assert engine.lend(image, store) == name
    built = engine.build(order(f"FROM {name}\nRUN cat /etc/lent > /copy\n"), lambda _: None)
    assert built.layers[:2] == image.layers
    assert private_engine.docker("run", "--rm", "--network=none", built.id) == "lent"
    assert read_config(store, image.config)["config"] == {"Cmd": ["cat", "/etc/lent"]}


def test_an_engine_that_is_not_there_is_told() -> None:
    with pytest.raises(DefinitionError, match="the engine at unix:///nowhere cannot be reached"):
        Engine("unix:///nowhere")
