"""What a site can fall back on, as an inventory tells it at home: the next delta is made for just that."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from agent.applying.finish import blobs_of
from agent.history import History, Undertaking
from bundle_format.digest import Digest
from bundle_format.errors import FlotoError
from bundle_format.inventory import Held, Inventory
from bundle_format.layout.index import Base
from bundle_format.progress import Progress
from bundle_format.store import Store
from bundle_format.trust.signing import Signer

_PURPOSE = b"floto/inventory-key/v1\0"


@dataclass(frozen=True, slots=True)
class Holdings:
    """An inventory, and the blobs that it leaves out because they are not whole."""

    inventory: Inventory
    lost: tuple[Digest, ...]


def holdings_of(history: History, store: Store, written: int, progress: Progress) -> Holdings:
    """The current and the previous release, each blob read to prove it; `written` is now, in Unix seconds.

    FlotoError where nothing was applied yet.
    """
    current = history.current
    if current is None:
        raise FlotoError("nothing was applied on this site yet", "The first bundle is a full one.")
    wanted = {
        undertaking.source.index: (undertaking, (*_blobs_of(undertaking, store),))
        for undertaking in (receipt.undertaking for receipt in (current, history.previous) if receipt)
    }
    whole = dict[Digest, bool]()
    with progress.task("reading the store") as task:
        for digest in dict.fromkeys(digest for _, blobs in wanted.values() for digest in blobs):
            whole[digest] = store.is_whole(digest)
            task.advance(store.size(digest) if whole[digest] else 0)
    source = current.undertaking.source
    releases = tuple(_held(undertaking, tuple(filter(whole.get, blobs))) for undertaking, blobs in wanted.values())
    inventory = Inventory(product=source.product, site=source.site, written=written, releases=releases)
    return Holdings(inventory, tuple(digest for digest in whole if not whole[digest]))


def site_signer(key: bytes) -> Signer:
    """The key that signs inventories, made of the site's own: who builds sees the same fingerprint each time."""
    return Signer(hmac.digest(key, _PURPOSE, "sha256"))


def _blobs_of(undertaking: Undertaking, store: Store) -> Iterator[Digest]:
    release = undertaking.source.release
    yield release
    if store.is_whole(release):
        yield from blobs_of(undertaking, store)


def _held(undertaking: Undertaking, blobs: tuple[Digest, ...]) -> Held:
    source = undertaking.source
    base = Base(release=source.version, sequence=source.sequence, index=source.index, blobs=blobs)
    return Held(base=base, definition=source.release)
