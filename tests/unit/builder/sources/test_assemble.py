"""An assembled image depends on what it is made of, and on nothing else."""

import json
import os
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from builder.images.oci import image_of
from builder.language.evaluation import Assemble, Placed, ProjectFile, ProjectFolder
from builder.layers.archive import Archives
from builder.layers.contents import Contents
from builder.layers.layer import Entry
from builder.project import Project
from builder.sources.assemble import assemble
from builder.work.ledger import Ledger
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import DefinitionError
from bundle_format.release.model import Image
from bundle_format.store import Store
from tests import images

EPOCH = 946684800
RECIPE = Assemble(
    tag="1.0",
    base="base",
    layers=(
        (Placed(path="/srv", content=ProjectFolder(path="web")),),
        (Placed(path="/bin/run", content=ProjectFile(path="web/b"), mode=0o755, uid=5),),
    ),
    env={"B": "new", "C": "3"},
    labels={"x": "y"},
    command=("run",),
    user="5",
    workdir="/srv",
    expose=("80", "53/udp"),
)


def base_image(store: Store) -> Image:
    layer = store.add_bytes(images.layer({"usr/bin/sh": b"sh", "bin": "usr/bin"}))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": {"Env": ["A=1", "B=2"], "Entrypoint": ["/bin/sh"], "ExposedPorts": {"80/tcp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "x"}],
    }
    return image_of(store, json.dumps(config).encode(), "base", {})


def build(place: Path, recipe: Assemble = RECIPE, names: Iterable[str] = "abc") -> tuple[Store, Image]:
    (place / "web").mkdir(parents=True)
    for day, name in enumerate(names):
        (place / "web" / name).write_text(f"file {name}", encoding="utf-8")
        os.utime(place / "web" / name, (day, day * 86400))
    store, ledger = Store(place / "store"), Ledger(place / "ledger")
    with Archives(store, ledger) as archives:
        contents = Contents(Project(place), {}, store, archives)
        base = base_image(store) if recipe.base else None
        return store, assemble(recipe, base, contents.entries, store, ledger, epoch=EPOCH)


def test_same_content_makes_the_same_image_whatever_the_umask_the_day_and_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for year, (umask, names) in enumerate([(0o022, "abc"), (0o077, "cab"), (0o002, "bca")], 50):
        monkeypatch.setattr(time, "time", lambda clock=year * 365 * 86400.5: clock)
        before = os.umask(umask)
        try:
            found.append(build(tmp_path / names, names=names)[1])
        finally:
            os.umask(before)
    assert found[0] == found[1] == found[2]


def test_layers_lie_on_the_base_and_pass_its_links(tmp_path: Path) -> None:
    store, image = build(tmp_path)
    assert image.layers[0] == digest_of(images.layer({"usr/bin/sh": b"sh", "bin": "usr/bin"}))
    assert _members(store, image.layers[1]) == ["srv", "srv/a", "srv/b", "srv/c"]
    assert _members(store, image.layers[2]) == ["usr/bin/run"]
    assert image.size == sum(store.size(layer) for layer in image.layers)


def test_the_configuration_says_what_the_definition_said(tmp_path: Path) -> None:
    store, image = build(tmp_path)
    config = json.loads(store.read_bytes(image.config))
    assert config["config"] == {
        "Env": ["A=1", "B=new", "C=3"],
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["run"],
        "User": "5",
        "WorkingDir": "/srv",
        "Labels": {"x": "y"},
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    }
    assert config["created"] == "2000-01-01T00:00:00Z"
    assert config["rootfs"]["diff_ids"] == list(image.layers)
    layers = [step for step in config["history"] if not step.get("empty_layer")]
    assert len(layers) == len(image.layers)


def test_an_image_may_stand_on_nothing(tmp_path: Path) -> None:
    store, image = build(tmp_path, RECIPE.model_copy(update={"base": None, "platform": "linux/arm64/v8"}))
    assert image.platform == "linux/arm64/v8"
    assert _members(store, image.layers[1]) == ["bin", "bin/run"]


def test_a_base_for_another_platform_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="linux/amd64, not for linux/arm64"):
        build(tmp_path, RECIPE.model_copy(update={"platform": "linux/arm64"}))


def _members(store: Store, layer: Digest) -> list[str]:
    with store.open(layer) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        members = list(tar)
    assert {(member.mtime, member.gid, member.uname) for member in members} == {(EPOCH, 0, "")}
    return [member.name for member in members]


def test_unchanged_layers_are_not_written_again(tmp_path: Path) -> None:
    store, image = build(tmp_path)

    def unreadable(_: Iterable[Placed]) -> list[Entry]:
        with Archives(store, Ledger(tmp_path / "ledger")) as archives:
            entries = Contents(Project(tmp_path), {}, store, archives).entries(_)
        return [Entry(e.path, e.kind, e.mode, e.uid, e.gid, e.size, e.target, e.content) for e in entries]

    again = assemble(RECIPE, base_image(store), unreadable, store, Ledger(tmp_path / "ledger"), epoch=EPOCH)
    assert again == image
