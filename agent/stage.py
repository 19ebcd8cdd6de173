"""Staging: the blobs of a deployment become whole in the site's store, or are named as lacking before any change."""

from collections.abc import Collection, Iterable, Iterator

from bundle_format.blob import Blob
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import DamageError, MissingError
from bundle_format.layout.frames import PackedFrame
from bundle_format.layout.index import Entry
from bundle_format.progress import Progress, Task
from bundle_format.reader import Bundle
from bundle_format.store import Store


def lacking(bundle: Bundle, store: Store, wanted: Collection[Digest]) -> tuple[Digest, ...]:
    """What the bundle counts on and the site does not hold whole; each such blob is read to prove it (THREATS 39)."""
    counted_on = dict[Digest, None]()
    for digest in wanted:
        entry = bundle.entries.get(digest)
        if entry is None or entry.at == "site":
            counted_on[digest] = None
        elif entry.base is not None and digest not in store:
            counted_on[entry.base] = None
    return tuple(digest for digest in counted_on if not store.is_whole(digest))


def require(bundle: Bundle, store: Store, wanted: Collection[Digest]) -> None:
    """MissingError that names each blob which the site lacks and the bundle that has it."""
    if absent := lacking(bundle, store, wanted):
        raise _want_list(bundle, absent)


def read_blob(bundle: Bundle, store: Store, digest: Digest) -> bytes:
    """A small blob before it is staged: from the bundle, as a patch in it, or from the store."""
    entry = bundle.entries.get(digest)
    if digest in store or entry is None or entry.at == "site":
        return store.read_bytes(digest)
    if entry.base is None:
        return bundle.read_bytes(digest)
    with store.blob(entry.base) as base, bundle.rebuilt(digest, base) as content:
        text = content.read()
    if digest_of(text) != digest:
        raise DamageError(f"blob {digest} was not rebuilt from its patch", "Fetch another copy of the bundle.")
    return text


def stage(bundle: Bundle, store: Store, wanted: Collection[Digest], progress: Progress) -> None:
    """Copy what the store lacks, or rebuild it from a patch, in the order of the bundle; `require` was asked before.

    What is whole already is not read again, so an interrupted stage goes on where it was. DamageError when a byte of
    the bundle is not as it was signed, be it one that the site does not need: only what it holds already is not read.
    """
    named = set(wanted)
    missing = [entry for entry in bundle.index.blobs if entry.digest in named and entry.digest not in store]
    with progress.task("stage", sum(entry.size for entry in missing)) as task:
        for entry in missing:
            _stage(bundle, store, entry, task)
    held = {digest for digest in bundle.entries if digest in store}
    damages = [damage for damage in bundle.verify(progress, beside=held) if not damage.healed]
    if damages:
        raise DamageError("the bundle is damaged:\n  " + "\n  ".join(map(str, damages)), "Fetch another copy.")


def _stage(bundle: Bundle, store: Store, entry: Entry, task: Task) -> None:
    if entry.base is None:
        frames = _counted(bundle.frames(entry.digest), task)
        store.add_frames(Blob(entry.digest, entry.size), frames, bundle.index.codec)
        return
    with store.blob(entry.base) as base, bundle.rebuilt(entry.digest, base) as content:
        store.add(content, expected=entry.digest)
    task.advance(entry.size)


def _counted(frames: Iterable[PackedFrame], task: Task) -> Iterator[PackedFrame]:
    for packed in frames:
        yield packed
        task.advance(packed.frame.raw)


def _want_list(bundle: Bundle, absent: Collection[Digest]) -> MissingError:
    lines = [f"neither the bundle nor this site has {len(absent)} blobs whole; nothing was changed:"]
    brought_by = {digest: base for base in bundle.index.bases for digest in base.blobs}
    for digest in absent:
        base = brought_by.get(digest)
        lines.append(f"  {digest}" + (f" is in release {base.release}, bundle {base.index}" if base else ""))
    return MissingError(
        "\n".join(lines),
        "It is a delta for sites that have an earlier release: bring the full bundle, or one made for this site.",
    )
