"""Which folders and links an image's layers make together, so that what is put on top lands where it should."""

import posixpath
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.layers.layer import Entry
from builder.work.ledger import Ledger
from bundle_format.digest import CHUNK, Digest
from bundle_format.errors import DefinitionError
from bundle_format.store import Store

_GONE, _ALL_GONE = ".wh.", ".wh..wh..opq"
"""OCI image specification 1.1, layer: whiteouts and opaque whiteouts."""

_MOST_LINKS = 40
_FOLDER = 0o755


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies in an image by path without a slash in front: a link's target, or what else it is."""

    kinds: Mapping[str, str]
    links: Mapping[str, str]

    def placed(self, entries: Iterable[Entry]) -> list[Entry]:
        """`entries` as a layer on top must hold them: through the links below, with every folder that is new.

        A folder that is there keeps its owner and mode. DefinitionError where an entry would hide other things.
        """
        found: dict[str, Entry] = {}
        for entry in entries:
            path = self._resolved(entry.path, whole=entry.kind == "folder")
            kind = self.kinds.get(path)
            if entry.kind == "folder" and kind == "folder":
                continue
            if kind == "folder" or (entry.kind == "folder" and kind is not None):
                raise DefinitionError(f"/{entry.path}: the image has a {kind} there", "Choose another place.")
            if path in found and found[path] != replace(entry, path=path):
                raise DefinitionError(f"/{entry.path}: two things are put there in one layer", "Choose other places.")
            found[path] = replace(entry, path=path)
        for path in list(found):
            for parent in self._new_parents(path):
                held = found.setdefault(parent, Entry(parent, "folder", _FOLDER))
                if held.kind != "folder":
                    raise DefinitionError(f"/{path}: /{parent} is no folder", "Choose another place.")
        return list(found.values())

    def with_layer(self, entries: Iterable[Entry]) -> "Tree":
        """This tree after a layer that holds `entries`, as `placed` made them, is put on it."""
        kinds, links = dict(self.kinds), dict(self.links)
        for entry in entries:
            kinds[entry.path] = entry.kind
            links.pop(entry.path, None)
            if entry.kind == "link":
                links[entry.path] = entry.target
        return Tree(kinds, links)

    def _new_parents(self, path: str) -> Iterator[str]:
        parent = posixpath.dirname(path)
        while parent and self.kinds.get(parent) != "folder":
            if parent in self.kinds:
                raise DefinitionError(
                    f"/{path}: /{parent} is a {self.kinds[parent]} in the image", "Choose another place."
                )
            yield parent
            parent = posixpath.dirname(parent)

    def _resolved(self, path: str, *, whole: bool) -> str:
        """`path` with links followed; a link in its last step only where `whole`."""
        done, rest, followed = "", path.split("/"), 0
        while rest:
            step, *rest = rest
            here = posixpath.normpath(posixpath.join("/", done, step)).lstrip("/")
            target = self.links.get(here) if rest or whole else None
            if target is None:
                done = here
                continue
            followed += 1
            if followed > _MOST_LINKS:
                raise DefinitionError(f"/{path}: the links of the image lead in a circle", "Choose another place.")
            done, rest = ("" if target.startswith("/") else done), [*filter(None, target.split("/")), *rest]
        return done


def tree_of(store: Store, ledger: Ledger, layers: Sequence[Digest]) -> Tree:
    """What `layers` of the store, base first, make together."""
    kinds: dict[str, str] = {}
    links: dict[str, str] = {}
    for layer in layers:
        listing = listing_of(store, ledger, layer)
        gone, emptied = set(listing["gone"]), set(listing["emptied"])
        kinds = {path: kind for path, kind in kinds.items() if not is_gone(path, gone, emptied)} | listing["kinds"]
        links = {path: target for path, target in links.items() if kinds.get(path) == "link"} | listing["links"]
    return Tree(kinds, links)


def is_gone(path: str, gone: Collection[str], emptied: Collection[str]) -> bool:
    """Whether whiteouts take away `path`: itself or a folder above it, or all that was in one."""
    while path:
        if path in gone:
            return True
        path = posixpath.dirname(path)
        if path in emptied:
            return True
    return False


def listing_of(store: Store, ledger: Ledger, layer: Digest) -> dict[str, Any]:
    """What a layer holds (`kinds`, `links`) and takes away (`gone`, `emptied`), by path; read once and remembered."""
    known = ledger.recall("listing", layer)
    if known is None:
        known = _read_listing(store, layer)
        ledger.remember("listing", layer, value=known)
    assert isinstance(known, dict)
    return known


def _read_listing(store: Store, layer: Digest) -> dict[str, Any]:
    kinds: dict[str, str] = {}
    links: dict[str, str] = {}
    gone: list[str] = []
    emptied: list[str] = []
    try:
        with store.open(layer) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as tar:
            for member in tar:
                path = posixpath.normpath("/" + member.name).lstrip("/")
                folder, name = posixpath.split(path)
                if name == _ALL_GONE:
                    emptied.append(folder)
                elif name.startswith(_GONE):
                    gone.append(posixpath.join(folder, name.removeprefix(_GONE)))
                elif path:
                    kinds[path] = "folder" if member.isdir() else "link" if member.issym() else "file"
                    if member.issym():
                        links[path] = member.linkname
    except tarfile.TarError as error:
        raise DefinitionError(f"the layer {layer} is no tar: {error}") from error
    return {"kinds": kinds, "links": links, "gone": gone, "emptied": emptied}
