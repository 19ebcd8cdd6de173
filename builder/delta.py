"""Deltas: what of a release a site holds already, and what is shorter to tell as a difference from that."""

import hashlib
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import IO

from builder.disk_segments import disk_segments
from bundle_format.blob import FramedBlob
from bundle_format.delta import Member, encode, members_of, resemblance, segments_of
from bundle_format.digest import Digest
from bundle_format.errors import DefinitionError
from bundle_format.inventory import Inventory
from bundle_format.layout.frames import Frame, PackedFrame
from bundle_format.layout.index import Base
from bundle_format.parallel import Workers
from bundle_format.progress import Progress, Task
from bundle_format.reader import Bundle
from bundle_format.release.model import Release, release_from_json
from bundle_format.store import Store
from bundle_format.writer import Carried

SMALLEST = 64 << 10
"""Raw bytes below which a blob is carried whole: a patch would save nothing worth its reading."""


@dataclass(frozen=True)
class Baseline:
    """What a site holds: which blobs with which release, and what of these releases is at hand to compare with."""

    bases: tuple[Base, ...]
    releases: tuple[Release, ...] = ()
    bundles: tuple[Bundle, ...] = ()

    @property
    def held(self) -> frozenset[Digest]:
        """All blobs that the site has."""
        return frozenset(digest for base in self.bases for digest in base.blobs)


def baseline_of(bundles: Sequence[Bundle]) -> Baseline:
    """A site that applied each of `bundles`; DefinitionError when they are of different products."""
    _check_product({bundle.index.product for bundle in bundles})
    releases = tuple(bundle.release for bundle in bundles)
    return Baseline(tuple(_base(bundle) for bundle in bundles), releases, tuple(bundles))


def baseline_at(inventory: Inventory, bundles: Sequence[Bundle], store: Store) -> Baseline:
    """The site that wrote `inventory`; `bundles` and `store` only lend what it has, for comparing."""
    _check_product({inventory.product, *(bundle.index.product for bundle in bundles)})
    at_hand = [held.definition for held in inventory.releases if held.definition in store]
    releases = [release_from_json(store.read_bytes(definition)) for definition in at_hand]
    releases += [bundle.release for bundle in bundles]
    return Baseline(tuple(held.base for held in inventory.releases), tuple(releases), tuple(bundles))


def _check_product(products: Collection[str]) -> None:
    if len(products) > 1:
        raise DefinitionError(
            f"a delta is for one product, not for {' and '.join(sorted(products))}",
            hint="name bases and inventories of the product that you build",
        )


def _base(bundle: Bundle) -> Base:
    index = bundle.index
    return Base(
        release=index.release,
        sequence=index.sequence,
        index=bundle.page.index_digest,
        blobs=tuple(bundle.entries),
    )


@contextmanager
def as_delta(
    release: Release, carried: Iterable[Carried], baseline: Baseline, store: Store, progress: Progress
) -> Iterator[tuple[list[Carried], tuple[Base, ...]]]:
    """Tell `carried` for a site that holds `baseline`: leave out what it has, make patches where they gain.

    The result lives as long as the context: patches wait in a file of their own until the bundle is written.
    """
    with ExitStack() as opened:
        store.root.mkdir(parents=True, exist_ok=True)
        scratch = opened.enter_context(tempfile.TemporaryFile(dir=store.root))
        patcher = _Patcher(store, baseline, scratch, opened.enter_context(Workers()), opened)
        predecessors = _predecessors(release, baseline.releases, baseline.held)
        held = baseline.held
        told = list[Carried]()
        for one in carried:
            digest = one.blob.digest
            if digest in held:
                told.append(Carried(one.blob, one.type, at="site"))
            elif one.blob.size < SMALLEST or not (candidates := predecessors.get(digest)):
                told.append(one)
            else:
                with progress.task(f"comparing {digest[7:19]} with what the site has", one.blob.size) as task:
                    told.append(patcher.told(one, candidates, task))
        yield told, _counted_on(told, baseline.bases)


def _counted_on(told: Iterable[Carried], known: Iterable[Base]) -> tuple[Base, ...]:
    """The releases that a delta really counts on, each blob named once."""
    rest = {one.base or one.blob.digest for one in told if one.at != "bundle"}
    bases = []
    for base in known:
        found = rest.intersection(base.blobs)
        rest -= found
        if found:
            bases.append(base.model_copy(update={"blobs": tuple(sorted(found))}))
    return tuple(bases)


def _predecessors(
    release: Release, older: Sequence[Release], held: Collection[Digest]
) -> Mapping[Digest, list[Digest]]:
    """For each blob those it may have come from: the replaced layers of its image, the file or disk of its name."""
    found = dict[Digest, list[Digest]]()
    everything_new = {layer for image in release.images.values() for layer in image.layers}
    for old in older:
        for name, image in release.images.items():
            if name in old.images:
                replaced = [one for one in old.images[name].layers if one in held and one not in everything_new]
                for layer in image.layers:
                    found.setdefault(layer, []).extend(one for one in replaced if one not in found[layer])
        for name, file in release.files.items():
            if name in old.files and old.files[name].digest in held:
                found.setdefault(file.digest, []).append(old.files[name].digest)
        for name, machine_image in release.machine_images.items():
            if name in old.machine_images and old.machine_images[name].disk in held:
                found.setdefault(machine_image.disk, []).append(old.machine_images[name].disk)
    return found


@dataclass(frozen=True, slots=True)
class _Base:
    """A blob that patches may refer to."""

    blob: FramedBlob
    members: tuple[Member, ...]


class _Patcher:
    """The blobs and the scratch file that patches are made with."""

    def __init__(self, store: Store, baseline: Baseline, scratch: IO[bytes], pool: Workers, opened: ExitStack) -> None:
        self._store = store
        self._baseline = baseline
        self._scratch = scratch
        self._pool = pool
        self._opened = opened
        self._bases = dict[Digest, _Base | None]()

    def told(self, one: Carried, candidates: Sequence[Digest], task: Task) -> Carried:
        """`one` as a patch against the candidate that resembles it most, or as it is where that gains nothing."""
        with self._store.blob(one.blob.digest) as new:
            members = members_of(new)
            bases = [base for digest in candidates if (base := self._base(digest))]
            if not bases:
                return one
            nearest = max(bases, key=lambda base: resemblance(members, base.members))
            of_disk = one.type == "disk"
            segments = disk_segments(new, nearest.blob) if of_disk else segments_of(members, nearest.members)
            encoded = encode(new, nearest.blob, segments, self._pool)
            frames = self._kept(encoded, limit=sum(frame.stored for frame in one.frames) * 9 // 10, task=task)
        if frames is None:
            return one
        return replace(
            one, at="patch", base=nearest.blob.blob.digest, frames=frames[1], packed=lambda: self._packed(*frames)
        )

    def _base(self, digest: Digest) -> _Base | None:
        if digest not in self._bases:
            blob = self._readable(digest)
            self._bases[digest] = _Base(blob, members_of(blob)) if blob else None
        return self._bases[digest]

    def _readable(self, digest: Digest) -> FramedBlob | None:
        for bundle in self._baseline.bundles:
            if (entry := bundle.entries.get(digest)) and entry.at == "bundle":
                return bundle.blob(digest)
        return self._opened.enter_context(self._store.blob(digest)) if digest in self._store else None

    def _kept(
        self, segments: Iterator[tuple[bytes, int]], limit: int, task: Task
    ) -> tuple[int, tuple[Frame, ...]] | None:
        """Write a patch to the scratch file: where it begins and its frames; None once it exceeds `limit` bytes."""
        start = self._scratch.seek(0, 2)
        frames = list[Frame]()
        for stored, raw in segments:
            self._scratch.write(stored)
            task.advance(raw)
            frames.append(Frame(len(stored), raw, hashlib.sha256(stored).digest()))
            if sum(frame.stored for frame in frames) > limit:
                self._scratch.truncate(start)
                return None
        return start, tuple(frames)

    def _packed(self, start: int, frames: Sequence[Frame]) -> Iterator[PackedFrame]:
        self._scratch.seek(start)
        for frame in frames:
            yield PackedFrame(frame, self._scratch.read(frame.stored))
