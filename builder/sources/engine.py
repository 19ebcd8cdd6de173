"""Images that an engine holds or builds: the builder's only door to docker."""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import BinaryIO, ClassVar

import docker
import requests

from builder.images.building import LENT, BuildOrder, Held, failed_build, lent_name
from builder.images.saved import apart, read_saved
from builder.layers.layer import Entry, write_tar
from bundle_format.canonical import canonical
from bundle_format.digest import CHUNK, Digest, hex_of
from bundle_format.errors import DefinitionError
from bundle_format.pieces import stream_of
from bundle_format.progress import Progress
from bundle_format.release.model import Image
from bundle_format.store import Store

QUIET = 1800
"""Seconds without a word from the engine after which it counts as gone; a build step may be silent for long."""

SAVES_AT_ONCE = 2
"""Images that an engine lays out and sends at the same time, where they have no layer in common."""


class Engine:
    """A docker engine at hand; DefinitionError, naming it, for whatever it refuses."""

    kind: ClassVar[str] = "engine"

    def __init__(self, address: str | None) -> None:
        """`address` as docker's DOCKER_HOST; None is the engine's usual place on this machine."""
        self._name = f"the engine at {address}" if address else "the engine of this machine"
        with self._told("cannot be reached", "Start it, or name another with --engine."):
            self._client = docker.DockerClient(base_url=address, version="auto", timeout=QUIET)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def version(self) -> str:
        """Which release of docker the engine is."""
        with self._told("cannot be asked"):
            return str(self._client.version()["Version"])

    def find(self, reference: str) -> Held | None:
        """The image of that name or id; None where the engine has none."""
        with self._told(f"cannot look for the image {reference}"):
            try:
                found = self._client.images.get(reference).attrs
            except docker.errors.ImageNotFound:
                return None
        return Held(found["Id"], tuple(Digest(layer) for layer in found["RootFS"].get("Layers") or ()))

    def build(self, order: BuildOrder, log: Callable[[str], None]) -> Held:
        """Build by the engine's own builder and return the image, which bears no name; `log` gets every line."""
        made, said = "", list[str]()
        with self._told("cannot build"):
            answers = self._client.api.build(
                fileobj=order.context,
                custom_context=True,
                dockerfile=order.dockerfile,
                buildargs=dict(order.arguments),
                target=order.target or "",
                network_mode=order.network,
                platform=order.platform,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for answer in answers:
                made = (answer.get("aux") or {}).get("ID", made)
                for line in (answer.get("error") or answer.get("stream") or "").splitlines():
                    log(line)
                    said.append(line)
                if "error" in answer:
                    raise DefinitionError(failed_build(said))
        held = self.find(made) if made else None
        if held is None:
            raise DefinitionError(f"{self._name} ended a build without an image", "See its log.")
        return held

    def save(self, ids: Sequence[str], store: Store, progress: Progress) -> dict[str, Digest]:
        """Bring images into the store, each layer once; the digests of their configurations by id.

        What the engine hands out is proved against the configurations.
        """
        if not ids:
            return {}
        if self._keeps_manifests():
            return {wanted: self._saved([wanted], store, progress)[0] for wanted in ids}
        # An engine is silent until it has laid out all that it was asked for: meanwhile it can send something else.
        groups = apart({wanted: held.layers if (held := self.find(wanted)) else () for wanted in ids})
        with ThreadPoolExecutor(SAVES_AT_ONCE) as pool:
            saved = set(chain.from_iterable(pool.map(lambda group: self._saved(group, store, progress), groups)))
        if lost := [wanted for wanted in ids if wanted not in saved]:
            raise DefinitionError(f"{self._name} did not hand out the image {lost[0]}", "Build or pull it again.")
        return {wanted: Digest(wanted) for wanted in ids}

    def lend(self, image: Image, store: Store) -> str:
        """The name under which a build on this engine may count on `image`; loaded if the engine lacks it."""
        name = lent_name(image.config)
        if self.find(name) is None:
            with self._told(f"cannot take the image {image.tag}"):
                if self.find(image.config):
                    self._client.images.get(image.config).tag(name)
                else:
                    self._client.images.load(_archive(image, name, store))
            held = self.find(name)
            if held is None or held.layers != image.layers:
                raise DefinitionError(f"{self._name} did not keep the image {image.tag} that it was given")
        return name

    def lend_held(self, held: Held) -> str:
        """The name under which a build may count on an image that the engine has, whatever else is called so later."""
        name = f"{LENT}:{held.id.removeprefix('sha256:')}"
        with self._told("cannot name an image"):
            self._client.images.get(held.id).tag(name)
        return name

    def _saved(self, ids: Sequence[str], store: Store, progress: Progress) -> list[Digest]:
        api = self._client.api
        with self._told("cannot save images"), progress.task("reading images from the engine") as task:
            url = f"{api.base_url}/v{api.api_version}/images/get"
            with api.get(url, params={"names": list(ids)}, stream=True, timeout=QUIET) as response:
                response.raise_for_status()

                def counted() -> Iterator[bytes]:
                    for piece in response.iter_content(CHUNK):
                        task.advance(len(piece))
                        yield piece

                return read_saved(stream_of(counted()), store)

    def _keeps_manifests(self) -> bool:
        """Whether ids here are digests of manifests, as with containerd's image store, and not of configurations."""
        with self._told("cannot be asked"):
            return any("io.containerd" in str(line) for line in self._client.api.info().get("DriverStatus") or ())

    @contextmanager
    def _told(self, what: str, hint: str = "") -> Iterator[None]:
        try:
            yield
        except docker.errors.APIError as error:
            raise DefinitionError(f"{self._name} {what}: {error.explanation or error}", hint) from error
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise DefinitionError(f"{self._name} {what}: {error}", hint) from error


def _archive(image: Image, name: str, store: Store) -> BinaryIO:
    """The image as `docker load` takes it."""

    def entry(path: str, digest: Digest) -> Entry:
        return Entry(path, "file", 0o644, size=store.size(digest), open=partial(store.open, digest))

    config, layers = f"{hex_of(image.config)}.json", [f"{hex_of(layer)}.tar" for layer in image.layers]
    manifest = canonical([{"Config": config, "RepoTags": [name], "Layers": layers}])
    entries = dict(zip(layers, map(entry, layers, image.layers), strict=False))
    entries[config] = entry(config, image.config)
    entries["manifest.json"] = Entry(
        "manifest.json", "file", 0o644, size=len(manifest), open=lambda: io.BytesIO(manifest)
    )
    return stream_of(write_tar(entries.values(), epoch=0))
