"""Images into an engine: what travels, what may travel at once, and the proof that it arrived."""

import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, BinaryIO, cast

import requests

from agent.state import ImageStore, chain_ids
from agent.targets.archive import image_archive
from agent.targets.docker.connection import Connection, RefusedError, advice_on
from agent.targets.engine import Blobs
from bundle_format.digest import CHUNK, Digest, HashingReader
from bundle_format.errors import FlotoError, TargetError
from bundle_format.progress import Progress, Task
from bundle_format.release.model import Image

LOAD_SECONDS = 900
"""How long an engine may say nothing while it unpacks."""

PARALLEL_LOADS = 3
NO_ROOM = "no space left on device"


class Loader:
    """Sends one image at a time to one engine; safe to use from several threads."""

    def __init__(self, connection: Connection, store: ImageStore, blobs: Blobs, progress: Progress) -> None:
        self.width = PARALLEL_LOADS if store == "classic" else 1
        self._connection = connection
        self._store = store
        self._blobs = blobs
        self._progress = progress

    def load(self, image: Image, held: frozenset[Digest], await_held: Callable[[], None] = lambda: None) -> str:
        """Send what the engine lacks of an image, or all of it where the engine wants that; the engine's id for it.

        Once `await_held` returns it has the chains `held`; what it raises ends the load.
        """
        chains = chain_ids(image.layers)
        missing = [layer for layer, chain in zip(image.layers, chains, strict=True) if chain not in held]
        if self._store == "classic" and len(missing) < len(image.layers):
            try:
                return self._send(image, missing, await_held)
            except RefusedError as refused:
                # To look for known layers before the archive's is a habit of engines, not a promise; and somebody
                # may have pruned images meanwhile.
                if NO_ROOM in refused.message:
                    raise
        return self._send(image, image.layers)

    def _send(self, image: Image, layers: Sequence[Digest], before_end: Callable[[], None] = lambda: None) -> str:
        size = sum(self._blobs.size(layer) for layer in dict.fromkeys(layers))
        layout = self._store != "classic"
        archive = image_archive(image, self._blobs, layers, layout=layout, before_end=before_end)
        where = f"{image.tag} to {self._connection.host}"
        with self._progress.task(f"send {where}", size) as sending, self._whole_or_absent(image):
            reply = self._connection.stream(
                "POST",
                "/images/load",
                query={"quiet": False},
                content=_counted(archive, size, sending),
                seconds=LOAD_SECONDS,
            )
            with reply as response, self._progress.task(f"unpack {where}", size) as unpacking:
                self._heed(image, response, unpacking, size)
            return self._recognised(image)

    @contextmanager
    def _whole_or_absent(self, image: Image) -> Iterator[None]:
        """A containerd store keeps half an image where a load failed, with or without an error."""
        try:
            yield
        except FlotoError:
            if self._store == "containerd":
                with suppress(TargetError):
                    self._connection.delete(f"/images/{image.manifest}", force=True)
            raise

    def _recognised(self, image: Image) -> str:
        known = image_ids(self._connection, [image])
        if not known:
            raise TargetError(
                f"{self._connection.host}: the engine took image {image.tag} but does not report it as {image.config}; "
                "no container was changed",
                "run floto-agent verify on the bundle; if it is sound, look at the engine's log",
            )
        return known[image.config]

    def _heed(self, image: Image, response: requests.Response, unpacking: Task, size: int) -> None:
        done = dict[str, int]()
        for line in response.iter_lines():
            said: dict[str, Any] = json.loads(line) if line.strip() else {}
            if "error" in said:
                message = f"{self._connection.host}: the engine refused image {image.tag}: {said['error']}"
                advice = advice_on(said["error"])
                raise RefusedError(f"{message}; no container was changed", advice, requests.codes.server_error)
            current = (said.get("progressDetail") or {}).get("current", 0)
            layer = said.get("id", "")
            unpacking.advance(max(current - done.get(layer, 0), 0))
            done[layer] = max(current, done.get(layer, 0))
        unpacking.advance(size - sum(done.values()))  # a containerd store does not tell how far it is


def load_images(loader: Loader, images: Sequence[Image], held: Iterable[Digest]) -> dict[Digest, str]:
    """Load `images` into an engine that holds the chains `held`; the engine's ids by config digest.

    The smallest goes first, for the others wait least for layers that they share with it; then the largest, for they
    take longest; one that others bring whole comes when nothing else is left to send. Layers that another load brings
    travel once: they are waited for when all else was sent. After the first failure, which is raised, nothing new is
    begun. A containerd store gets whole images one by one: it keeps what it knows.
    """
    by_size = sorted(images, key=lambda image: image.size)
    waiting, loaded = [*by_size[:1], *reversed(by_size[1:])], dict[Digest, str]()
    held, sender = frozenset(held), dict[Digest, Future[str]]()
    busy = dict[Future[str], Image]()
    pool = ThreadPoolExecutor(loader.width)
    try:
        while waiting or busy:
            while waiting and len(busy) < loader.width:
                known = held.union(sender)
                image = next((one for one in waiting if not known.issuperset(chain_ids(one.layers))), waiting[0])
                waiting.remove(image)
                chains = chain_ids(image.layers)
                awaited = {sender[chain] for chain in chains if chain in sender}
                load = pool.submit(loader.load, image, known, partial(_await, image, awaited))
                sender |= dict.fromkeys({*chains} - known, load)
                busy[load] = image
            over = wait(busy, return_when=FIRST_COMPLETED).done
            for load in [load for load in busy if load in over]:  # in their order: the first to fail is the cause
                loaded[busy.pop(load).config] = load.result()
    finally:
        pool.shutdown(cancel_futures=True)
    return loaded


def _await(image: Image, loads: Iterable[Future[str]]) -> None:
    """Return once these have succeeded; TargetError where one has not."""
    if any(load.exception() for load in loads):
        raise TargetError(f"image {image.tag} waited for layers that did not arrive; no container was changed")


def image_ids(connection: Connection, images: Iterable[Image]) -> dict[Digest, str]:
    """The engine's ids, by config digest, of those images that it holds with just the layers that were signed.

    A containerd store answers for half an image, too: some versions do not list it, some know no layers of it.
    """
    listed = {one["Id"] for one in connection.get("/images/json", all=True)}
    found = {}
    for image in images:
        for name in listed.intersection((image.config, image.manifest)):
            held = connection.find(f"/images/{name}/json")
            if held and tuple(held["RootFS"].get("Layers") or ()) == image.layers:
                found[image.config] = str(name)
    return found


def _counted(archive: Iterator[bytes], size: int, sending: Task) -> Iterator[bytes]:
    for piece in archive:
        yield piece
        sending.advance(min(len(piece), size))
        size -= min(len(piece), size)


def is_whole(connection: Connection, image: str) -> bool:
    """Read a loaded image back and compare its layers with its digests; False when the engine's copy is damaged."""
    layers = set(connection.get(f"/images/{image}/json")["RootFS"].get("Layers") or ())
    try:
        with connection.stream("GET", f"/images/{image}/get", seconds=LOAD_SECONDS) as response:
            layers.difference_update(_digests(response))
    except RefusedError:
        return False
    except (TargetError, tarfile.ReadError):
        # The engine breaks off when it meets the damage; if it does not answer now either, that is another matter.
        connection.get("/version")
        return False
    return not layers


def _digests(response: requests.Response) -> Iterator[str]:
    with tarfile.open(fileobj=response.raw, mode="r|", bufsize=CHUNK) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream:
                reader = HashingReader(cast("BinaryIO", stream))
                while reader.read(CHUNK):
                    pass
                yield reader.digest
