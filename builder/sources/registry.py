"""Images of registries, fetched directly and without any engine (OCI distribution specification 1.1)."""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from builder.images.oci import layers_of, parse_config, platform_of
from builder.web.admission import Admission
from builder.web.client import Request, Web
from builder.web.logins import DOCKER_HUB, DockerLogins
from builder.web.settings import Registry as RegistrySettings
from bundle_format.digest import Digest, digest_of, parse_digest
from bundle_format.errors import DamageError, DefinitionError
from bundle_format.inflate import inflate
from bundle_format.pieces import stream_of
from bundle_format.progress import Progress
from bundle_format.store import Store

_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_REFERENCE = re.compile(
    r"(?:(?P<host>[a-zA-Z0-9.-]+(?::\d+)?)/)?"
    r"(?P<repository>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_HUB_SERVER = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image is: registry, repository, and a tag or a digest."""

    host: str
    repository: str
    version: str

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}{'@' if ':' in self.version else ':'}{self.version}"


@dataclass(frozen=True, slots=True)
class RemoteLayer:
    """A layer as a registry has it (`digest` and `size` of the compressed bytes) and as we keep it (`diff_id`)."""

    reference: Reference
    digest: Digest
    size: int
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image of one platform: its manifest and configuration are in the store, its layers may be."""

    reference: Reference
    manifest: Digest
    config: Digest
    layers: tuple[RemoteLayer, ...]


def parse_reference(text: str) -> Reference:
    """Read a reference as docker does: `nginx` means `docker.io/library/nginx:latest`."""
    first, slash, _ = text.partition("/")
    has_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    found = _REFERENCE.fullmatch(text if has_host else f"{DOCKER_HUB}/{text}")
    if not found:
        raise DefinitionError(f"{text!r} is no image reference", "Write it like nginx:1.27 or host:5000/team/web:1.0.")
    repository = found["repository"]
    if found["host"] == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(found["host"], repository, found["digest"] or found["tag"] or "latest")


class Registries:
    """All registries that a project pulls from; safe to use from several threads."""

    def __init__(self, web: Web, logins: DockerLogins, settings: Mapping[str, RegistrySettings], store: Store) -> None:
        self._web = web
        self._logins = logins
        self._settings = settings
        self._store = store
        self._admissions: dict[tuple[str, str], Admission] = {}
        self._lock = threading.Lock()

    def resolve(self, reference: Reference, platform: str, pinned: Digest | None) -> RemoteImage:
        """What `reference` is for `platform` now, or the manifest that it is `pinned` to.

        Nothing is fetched that the store has. DefinitionError where there is no such image, or it is for another
        platform.
        """
        manifest = pinned or self._find(reference, platform)
        text = self._small(reference, "manifests", manifest, ", ".join(_MANIFESTS))
        described = _parsed(text, reference)
        try:
            config = parse_digest(described["config"]["digest"])
            blobs = [(parse_digest(layer["digest"]), int(layer["size"])) for layer in described["layers"]]
        except (KeyError, TypeError, ValueError) as error:
            raise DefinitionError(f"{reference} is no container image", "Is it an artifact of another kind?") from error
        told = parse_config(self._small(reference, "blobs", config))
        _check_platform(reference, platform_of(told), platform)
        diff_ids = layers_of(told)
        if len(diff_ids) != len(blobs):
            raise DefinitionError(f"{reference} contradicts itself: {len(blobs)} layers, {len(diff_ids)} diff ids")
        layers = (
            RemoteLayer(reference, digest, size, diff_id)
            for (digest, size), diff_id in zip(blobs, diff_ids, strict=True)
        )
        return RemoteImage(reference, manifest, config, tuple(layers))

    def fetch(self, layer: RemoteLayer, progress: Progress) -> None:
        """Bring a layer into the store, uncompressed and proved to be what the image's configuration names."""
        if layer.diff_id in self._store:
            self._web.forget(layer.digest)
            return
        request = self._request(layer.reference, "blobs", layer.digest)
        with progress.task(f"{layer.reference.repository} {layer.digest[7:19]}", layer.size) as task:
            for last in (False, True):
                try:
                    with self._web.download(request, layer.digest, task) as packed:
                        self._store.add(stream_of(inflate(packed)), expected=layer.diff_id)
                    return
                except DamageError as error:
                    if last:
                        raise DefinitionError(
                            f"{request.what}: {request.url} has other content than its digest says ({error.message})",
                            "The registry, or a proxy on the way, is at fault; nothing of it was kept.",
                        ) from error

    def _find(self, reference: Reference, platform: str) -> Digest:
        """The digest of the manifest for `platform` behind a tag or a digest."""
        request = self._request(reference, "manifests", reference.version, ", ".join((*_INDEXES, *_MANIFESTS)))
        text = self._web.get(request).content
        if ":" in reference.version:
            _prove(text, Digest(reference.version), request)
        described = _parsed(text, reference)
        if "manifests" not in described:
            return self._store.add_bytes(text).digest
        offered: dict[str, str] = {}
        for one in described["manifests"]:
            theirs = one.get("platform") or {}
            offered.setdefault(f"{theirs.get('os')}/{theirs.get('architecture')}", one["digest"])
            offered.setdefault(
                f"{theirs.get('os')}/{theirs.get('architecture')}/{theirs.get('variant')}", one["digest"]
            )
        if platform not in offered:
            known = sorted(name for name in offered if "unknown" not in name and "None" not in name)
            raise _not_for(reference, platform, known)
        return parse_digest(offered[platform])

    def _small(self, reference: Reference, kind: str, digest: Digest, accept: str = "*/*") -> bytes:
        """A manifest or configuration, of the store or else of the registry."""
        if digest not in self._store:
            request = self._request(reference, kind, digest, accept)
            content = self._web.get(request).content
            _prove(content, digest, request)
            self._store.add_bytes(content)
        return self._store.read_bytes(digest)

    def _request(self, reference: Reference, kind: str, version: str, accept: str = "*/*") -> Request:
        settings = self._settings.get(reference.host, RegistrySettings())
        server, _, prefix = (settings.mirror or reference.host).partition("/")
        scheme = "http" if self._settings.get(server, settings).plain_http or _is_local(server) else "https"
        address = _HUB_SERVER if server == DOCKER_HUB else server
        repository = f"{prefix}/{reference.repository}" if prefix else reference.repository
        return Request(
            url=f"{scheme}://{address}/v2/{repository}/{kind}/{quote(version, safe=':')}",
            what=str(reference),
            authority=self._admission(server, repository),
            accept=accept,
            remedy="Is the name right? `floto-builder lock` shows what it is pinned to.",
        )

    def _admission(self, server: str, repository: str) -> Admission:
        with self._lock:
            key = (server, repository)
            if key not in self._admissions:
                self._admissions[key] = Admission(self._web, self._logins, server)
            return self._admissions[key]


def _check_platform(reference: Reference, found: str, wanted: str) -> None:
    """DefinitionError unless an image is for the platform that is wanted; a variant counts where both tell of one."""
    if any(ours != theirs for ours, theirs in zip(wanted.split("/"), found.split("/"), strict=False)):
        raise _not_for(reference, wanted, [found])


def _not_for(reference: Reference, wanted: str, known: Sequence[str]) -> DefinitionError:
    return DefinitionError(f"{reference} is not there for {wanted}", f"It is there for: {', '.join(known)}.")


def _is_local(server: str) -> bool:
    """Docker, too, speaks without TLS to a registry on this machine."""
    name = server.partition(":")[0]
    return name == "localhost" or name.startswith("127.")


def _prove(content: bytes, digest: Digest, request: Request) -> None:
    if digest_of(content) != digest:
        raise DefinitionError(
            f"{request.what}: {request.url} has other content than its digest says",
            "The registry, or a proxy on the way, is at fault; nothing of it was kept.",
        )


def _parsed(text: bytes, reference: Reference) -> dict[str, Any]:
    try:
        described = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"{reference}: the registry answers no manifest") from error
    if not isinstance(described, dict) or described.get("schemaVersion") != 2:
        raise DefinitionError(f"{reference} has a manifest of an old kind", "Push it anew with a newer tool.")
    return described
