"""What is put on a base lands where the base's folders and links lead."""

from pathlib import Path

import pytest

from builder.layers.layer import Entry
from builder.layers.tree import Tree, tree_of
from builder.work.ledger import Ledger
from bundle_format.errors import DefinitionError
from bundle_format.store import Store
from tests import images


def tree(tmp_path: Path, *layers: dict[str, bytes | str]) -> Tree:
    store = Store(tmp_path / "store")
    digests = [store.add_bytes(images.layer(layer)).digest for layer in layers]
    first = tree_of(store, Ledger(tmp_path / "ledger"), digests)
    assert tree_of(store, Ledger(tmp_path / "ledger"), digests) == first
    return first


def file(path: str) -> Entry:
    return Entry(path, "file", 0o644)


def paths(entries: list[Entry]) -> list[str]:
    return sorted(entry.path for entry in entries)


def test_links_of_the_base_are_followed_and_its_folders_kept(tmp_path: Path) -> None:
    base = tree(tmp_path, {"usr/bin/sh": b"x", "bin": "usr/bin", "var/run": "/run", "run/lock": b""})
    assert paths(base.placed([file("bin/tool"), file("var/run/x/y")])) == ["run/x", "run/x/y", "usr/bin/tool"]
    assert base.placed([Entry("bin", "folder", 0o700), Entry("usr", "folder", 0o700)]) == []


def test_new_folders_are_made_for_all_to_enter(tmp_path: Path) -> None:
    placed = tree(tmp_path, {}).placed([file("opt/app/app.jar"), Entry("opt", "folder", 0o700)])
    assert {entry.path: entry.mode for entry in placed} == {"opt": 0o700, "opt/app": 0o755, "opt/app/app.jar": 0o644}


def test_whiteouts_and_later_layers_count(tmp_path: Path) -> None:
    base = tree(
        tmp_path,
        {"a/b/c": b"", "d/e": b"", "l": "a", "m/n": b""},
        {"a/.wh.b": b"", "d/.wh..wh..opq": b"", "l": b"now a file", "m": "d"},
    )
    assert base.kinds.keys() >= {"a", "d", "l", "m"}
    assert not base.kinds.keys() & {"a/b", "a/b/c", "d/e"}
    assert base.links == {"m": "d"}
    assert paths(base.placed([file("m/x")])) == ["d/x"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file("etc")], "the image has a folder there"),
        ([file("etc/motd/x")], "/etc/motd is a file in the image"),
        ([Entry("etc/motd", "folder", 0o755)], "the image has a file there"),
        ([file("x"), Entry("x", "file", 0o600)], "two things are put there"),
        ([file("x"), file("x/y")], "/x is no folder"),
        ([file("loop/x")], "in a circle"),
    ],
)
def test_what_would_hide_other_things_is_refused(tmp_path: Path, entries: list[Entry], message: str) -> None:
    base = tree(tmp_path, {"etc/motd": b"", "loop": "loop2", "loop2": "loop"})
    with pytest.raises(DefinitionError, match=message):
        base.placed(entries)


def test_a_layer_on_top_counts_for_the_next(tmp_path: Path) -> None:
    base = tree(tmp_path, {"etc/motd": b""})
    entries = base.placed([file("opt/x"), Entry("l", "link", 0o777, target="opt")])
    assert paths(base.with_layer(entries).placed([file("l/y")])) == ["opt/y"]
