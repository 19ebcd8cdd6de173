"""What lies in the layers of an image, layer by layer, each read once and remembered."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import IO, Any

from builder.attestations.jars import is_jar, jars_in
from builder.attestations.packages import UNREAD, Package, is_database, of_their_system, packages_in
from builder.layers.archive import window
from builder.layers.tree import is_gone, listing_of
from builder.work.ledger import Ledger
from bundle_format.digest import Digest
from bundle_format.errors import DefinitionError
from bundle_format.store import Store

MOST_DATABASE = 256 << 20
"""Bytes of the largest package database that is read."""

_RULES = 2
"""Revision of the rules in this room; what was remembered under another is read anew."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image holds: its packages, and what may hold more of them but was not read."""

    packages: tuple[Package, ...]
    unread: tuple[str, ...]


def contents_of(store: Store, ledger: Ledger, layers: Sequence[Digest]) -> Contents:
    """What `layers` of the store, base first, hold together; a file counts as the last layer has it."""
    found: dict[str, Any] = {}
    for layer in layers:
        listing = listing_of(store, ledger, layer)
        gone, emptied = set(listing["gone"]), set(listing["emptied"])
        found = {
            path: packages
            for path, packages in found.items()
            if path not in listing["kinds"] and not is_gone(path, gone, emptied)
        } | _findings(store, ledger, layer)
    packages = {Package(*one) for path, known in found.items() if path not in UNREAD for one in known}
    unread = [f"/{path} ({UNREAD[path]})" for path in found if path in UNREAD]
    return Contents(tuple(of_their_system(packages)), tuple(sorted(unread)))


def remember_disk(ledger: Ledger, disk: Digest, contents: Contents) -> None:
    """Keep what was found on a machine image while its raw disk was at hand."""
    packages = [list(astuple(package)) for package in contents.packages]
    ledger.remember("disk packages", disk, _RULES, value={"packages": packages, "unread": list(contents.unread)})


def contents_of_disk(ledger: Ledger, disk: Digest) -> Contents:
    """What was found on a machine image; all of it unread where that is not known any more."""
    known = ledger.recall("disk packages", disk, _RULES)
    if known is None:
        return Contents((), ("the whole disk",))
    return Contents(tuple(Package(*one) for one in known["packages"]), tuple(known["unread"]))


def _findings(store: Store, ledger: Ledger, layer: Digest) -> dict[str, Any]:
    known = ledger.recall("packages", layer, _RULES)
    if known is None:
        known = dict(_read(store, layer))
        ledger.remember("packages", layer, _RULES, value=known)
    assert isinstance(known, dict)
    return known


def _read(store: Store, layer: Digest) -> Iterator[tuple[str, list[Any]]]:
    """The packages that each file of a layer tells of, by path."""
    try:
        with store.blob(layer) as blob, tarfile.open(fileobj=window(blob, 0, blob.size), mode="r:") as tar:
            for member in tar:
                path = member.name.removeprefix("./").lstrip("/")
                if member.isreg() and not member.issparse():
                    with window(blob, member.offset_data, member.size) as content:
                        packages = _packages(path, content, member.size)
                    if packages is not None:
                        yield path, [list(astuple(package)) for package in packages]
    except tarfile.TarError as error:
        raise DefinitionError(f"the layer {layer} is no tar: {error}") from error


def _packages(path: str, content: IO[bytes], size: int) -> list[Package] | None:
    if path in UNREAD:
        return []
    if is_database(path) and size <= MOST_DATABASE:
        return packages_in(path, content.read())
    return jars_in(path, content) or None if is_jar(path) else None
