"""A built image without what differs from build to build: its own layers' times and its configuration settled."""

from collections.abc import Mapping

from builder.images.oci import image_of, layers_of, read_config, settled_config
from builder.layers.clamp import clamp_times
from builder.work.ledger import Ledger
from bundle_format.digest import Digest
from bundle_format.pieces import stream_of
from bundle_format.release.model import Image
from bundle_format.store import Store


def settle(
    store: Store,
    ledger: Ledger,
    config: Digest,
    *,
    base_layers: int,
    epoch: int,
    tag: str,
    source: Mapping[str, str],
) -> Image:
    """Set every time after `epoch` (seconds) in an image of the store to it; its first `base_layers` layers stay."""
    built = read_config(store, config)
    layers = [
        layer if place < base_layers else _clamped(store, ledger, layer, epoch)
        for place, layer in enumerate(layers_of(built))
    ]
    return image_of(store, settled_config(built, layers, base_layers, epoch), tag, source)


def _clamped(store: Store, ledger: Ledger, layer: Digest, epoch: int) -> Digest:
    known = ledger.recall("clamped", layer, epoch)
    if known is not None and known in store:
        return Digest(known)
    with store.open(layer) as tar:
        clamped = store.add(stream_of(clamp_times(tar, epoch))).digest
    ledger.remember("clamped", layer, epoch, value=clamped)
    return clamped
