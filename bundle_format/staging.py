"""Staging: each blob of a release becomes whole in the site's store, or is named as lacking before anything changes."""

from collections.abc import Iterator

from bundle_format.blob import Blob
from bundle_format.digest import Digest
from bundle_format.errors import DamageError, MissingError
from bundle_format.layout.frames import PackedFrame
from bundle_format.layout.index import Entry
from bundle_format.progress import Progress, Task
from bundle_format.reader import Bundle
from bundle_format.store import Store


def bytes_to_stage(bundle: Bundle, store: Store) -> int:
    """How many bytes `stage` will add to `store` at most: raw sizes, for nothing is known of how patches compress."""
    return sum(
        _stored(bundle, entry) if entry.at == "bundle" else entry.size
        for entry in bundle.index.blobs
        if entry.at != "site" and entry.digest not in store
    )


def lacking(bundle: Bundle, store: Store) -> list[Digest]:
    """The blobs that the bundle counts on and the site does not hold whole; each is read to prove it (THREATS 39)."""
    return [digest for digest in _counted_on(bundle, store) if not _is_whole(store, digest)]


def stage(bundle: Bundle, store: Store, progress: Progress) -> None:
    """Copy what the bundle carries into `store` and rebuild what it tells as patches; run again, it goes on.

    MissingError, before anything is written, when the site lacks a blob that the bundle counts on: it names each such
    blob and the bundle that has it.
    """
    if wanted := lacking(bundle, store):
        raise _want_list(bundle, wanted)
    carried = [entry for entry in bundle.index.blobs if entry.at != "site"]
    with progress.task("staging", sum(_stored(bundle, entry) for entry in carried)) as task:
        for entry in carried:
            _stage_one(bundle, entry, store, task)


def _stage_one(bundle: Bundle, entry: Entry, store: Store, task: Task) -> None:
    if entry.digest in store:
        task.advance(_stored(bundle, entry))
    elif entry.base is not None:
        with store.blob(entry.base) as base, bundle.rebuilt(entry.digest, base) as content:
            store.add(content, expected=entry.digest)
        task.advance(_stored(bundle, entry))
    else:
        blob = Blob(entry.digest, entry.size)
        frames = bundle.frames(entry.digest)

        def counted() -> Iterator[PackedFrame]:
            for packed in frames:
                yield packed
                task.advance(packed.frame.stored)

        store.add_frames(blob, counted(), bundle.index.codec)


def _stored(bundle: Bundle, entry: Entry) -> int:
    return sum(frame.stored for frame in bundle.table[entry.first : entry.first + entry.frames])


def _counted_on(bundle: Bundle, store: Store) -> Iterator[Digest]:
    wanted = dict[Digest, None]()
    for entry in bundle.index.blobs:
        if entry.at == "site":
            wanted[entry.digest] = None
        elif entry.base is not None and entry.digest not in store:
            wanted[entry.base] = None
    return iter(wanted)


def _is_whole(store: Store, digest: Digest) -> bool:
    try:
        with store.blob(digest) as blob:
            return sum(packed.frame.raw for packed in blob.packed()) == blob.size
    except (MissingError, DamageError):
        return False


def _want_list(bundle: Bundle, wanted: list[Digest]) -> MissingError:
    lines = [f"this bundle counts on {len(wanted)} blobs that the site does not hold whole; nothing was changed"]
    rest = dict.fromkeys(wanted)
    for base in bundle.index.bases:
        found = [digest for digest in base.blobs if digest in rest]
        lines += [f"  {digest} is in release {base.release}, bundle {base.index}" for digest in found]
        for digest in found:
            del rest[digest]
    lines += [f"  {digest}" for digest in rest]
    return MissingError("\n".join(lines), hint="bring the full bundle, or one of those named; apply it, then this one")
