"""The registry of a site: images brought blob by blob, under their digests (OCI distribution specification 1.1)."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

import requests

from agent.targets.archive import MANIFEST, manifest_of
from agent.targets.engine import Blobs
from bundle_format.digest import Digest
from bundle_format.errors import TargetError
from bundle_format.progress import Progress, Task
from bundle_format.release.deployment import Access
from bundle_format.release.model import Image
from bundle_format.release.service import image_reference

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
STORE_SECONDS = 600
"""How long a registry may say nothing while it checks and stores a blob."""


class Registry:
    """The registry that `access` names, as the agent reaches it; every failure is a TargetError."""

    def __init__(self, host: str, access: Access) -> None:
        """`host` is the one whose swarm gets its images here."""
        self._host = host
        self._access = access
        given = access.registry or ""
        self.name = given.rpartition("//")[2]
        self._root = f"{'http' if is_plain(given) else 'https'}://{self.name}"
        self._known: dict[Digest, str] = {}

    def reference(self, image: Image) -> str:
        """By which name nodes get an image."""
        return image_reference(self._named, image)

    def login(self) -> tuple[str, str] | None:
        """User and password; TargetError if the password's file cannot be read."""
        user, file = self._access.registry_user, self._access.registry_password
        if user is None or file is None:
            return None
        try:
            return user, Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            told = getattr(error, "strerror", None) or error
            raise TargetError(
                f"{self._host}: the registry's password in {file} cannot be read: {told}; nothing was changed",
                "mend registry_password of this host in the site's file",
            ) from error

    def lacking(self, images: Sequence[Image]) -> frozenset[Digest]:
        """The manifests of `images` that it does not have."""
        with self._session() as session:
            return frozenset(image.manifest for image in images if not self._has(session, image))

    def push(self, images: Sequence[Image], blobs: Blobs, progress: Progress) -> None:
        """Bring what it lacks of `images`; a manifest comes after all that it names, so that no half image is seen."""
        with self._session() as session:
            for image in images:
                if not self._has(session, image):
                    self._push(session, image, blobs, progress)

    @property
    def _named(self) -> str:
        if not self.name:
            raise TargetError(
                f"{self._host}: the site's file names no registry for the swarm",
                'write registry = "HOST:PORT" under this host in the site\'s file',
            )
        return self.name

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        """A session with everything that goes wrong in it told as ours."""
        name = self._named
        with requests.Session() as session:
            session.trust_env = False  # proxies and netrc of the environment are for the internet
            session.verify = self._access.registry_ca or True
            session.auth = self.login()
            try:
                yield session
            except (requests.RequestException, OSError) as error:
                raise TargetError(
                    f"{self._host}: the registry {name} cannot be reached: {error}",
                    "see whether it runs; write http:// before its address if it speaks no TLS, or give registry_ca",
                ) from error

    def _has(self, session: requests.Session, image: Image) -> bool:
        path = f"/v2/{_repository(image)}/manifests/{image.manifest}"
        return self._ask(session, "HEAD", path, headers={"Accept": MANIFEST}).ok

    def _push(self, session: requests.Session, image: Image, blobs: Blobs, progress: Progress) -> None:
        manifest = manifest_of(image, blobs)
        wanted = list(dict.fromkeys((*image.layers, image.config)))
        with progress.task(f"push {image.tag} to {self.name}", sum(map(blobs.size, wanted))) as task:
            for digest in wanted:
                self._push_blob(session, _repository(image), digest, blobs, task)
        kind = json.loads(manifest).get("mediaType", MANIFEST)
        path = f"/v2/{_repository(image)}/manifests/{image.manifest}"
        self._ask(session, "PUT", path, content=manifest, headers={"Content-Type": kind}, must=True)

    def _push_blob(self, session: requests.Session, repository: str, digest: Digest, blobs: Blobs, task: Task) -> None:
        size = blobs.size(digest)
        if self._ask(session, "HEAD", f"/v2/{repository}/blobs/{digest}").ok:
            task.advance(size)
        else:
            mount = f"?mount={digest}&from={self._known[digest]}" if digest in self._known else ""
            begun = self._ask(session, "POST", f"/v2/{repository}/blobs/uploads/{mount}", must=True)
            if begun.status_code != requests.codes.created:
                place = urljoin(self._root, begun.headers.get("Location", ""))
                if urlsplit(place).netloc != urlsplit(self._root).netloc:
                    raise self._refused(f"it wants uploads at {urlsplit(place).netloc}, which the site does not name")
                with blobs.open(digest) as stream:
                    where = f"{place}{'&' if urlsplit(place).query else '?'}digest={digest}"
                    self._ask(session, "PUT", where, content=_Counted(stream, size, task), must=True)
            else:
                task.advance(size)
        self._known[digest] = repository

    def _ask(
        self,
        session: requests.Session,
        method: str,
        path: str,
        *,
        content: "bytes | _Counted | None" = None,
        headers: dict[str, str] | None = None,
        must: bool = False,
    ) -> requests.Response:
        """An answer; TargetError where it is a refusal, or one that must not be."""
        response = session.request(
            method,
            urljoin(self._root, path),
            data=content,  # requests streams whatever can be read and has a length
            headers={"Content-Type": "application/octet-stream", **(headers or {})} if content else headers,
            allow_redirects=method == "HEAD",
            timeout=(CONNECT_SECONDS, STORE_SECONDS if content else ANSWER_SECONDS),
        )
        if response.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            raise self._refused("it does not let us in", "give registry_user and registry_password of one who may push")
        if not response.ok and (must or response.status_code != requests.codes.not_found):
            raise self._refused(f"{method} {response.status_code} {response.reason}: {response.text.strip()[:300]}")
        return response

    def _refused(self, why: str, hint: str = "look at the registry's log and its disk") -> TargetError:
        return TargetError(f"{self._host}: the registry {self.name} refused: {why}; no service was changed", hint)


def is_plain(registry: str) -> bool:
    """Whether a registry is spoken to without TLS: docker's own rule for this very machine, or the site's word."""
    host = registry.rpartition("//")[2].partition(":")[0]
    return registry.startswith("http://") or ("//" not in registry and (host.startswith("127.") or host == "localhost"))


def _repository(image: Image) -> str:
    return image.tag.rpartition(":")[0]


class _Counted:
    """A blob on its way, which tells how far it is; requests takes its length for the header."""

    def __init__(self, stream: BinaryIO, size: int, task: Task) -> None:
        self._stream = stream
        self._size = size
        self._task = task

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """The next bytes, verified."""
        piece = self._stream.read(size)
        self._task.advance(len(piece))
        return piece
