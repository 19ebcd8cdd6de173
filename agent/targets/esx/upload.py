"""A disk on its way to a hypervisor: under a lease that is kept alive, proved at the end, given up when it fails."""

import hashlib
import http.client
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from pyVmomi import vmodl

from agent.targets.esx.packing import Reader
from agent.targets.esx.session import Session
from bundle_format.errors import TargetError
from bundle_format.progress import Task

READY_SECONDS = 300
BEAT_SECONDS = 10
"""A lease that hears nothing for some minutes dies, and takes the half-made machine with it; this often it hears."""

STILL_SECONDS = 120
_PIECE = 1 << 20


class Lease:
    """A lease to import a machine; leaving the block without `complete` gives it up, and the hypervisor cleans up."""

    def __init__(self, session: Session, lease: Any) -> None:
        self._session = session
        self._lease = lease
        self._share = 0
        self._pause: float = BEAT_SECONDS
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._keep_alive, name="lease", daemon=True)
        self._done = False

    def __enter__(self) -> "Lease":
        until = time.monotonic() + READY_SECONDS
        while (state := self._state()) == "initializing":
            if time.monotonic() > until:
                raise self._lost("the lease did not become ready")
            time.sleep(0.1)
        if state != "ready":
            raise self._lost("the lease was refused")
        self._pause = min(BEAT_SECONDS, self._lease.info.leaseTimeout / 3)
        self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._beat.is_alive():
            self._beat.join()
        if not self._done:
            with suppress(Exception):  # it may have died by itself
                self._lease.Abort()

    @property
    def machine(self) -> Any:
        """The machine that is being made."""
        return self._lease.info.entity

    def send(self, disk: Reader, size: int, task: Task) -> None:
        """Upload the VMDK and see that the hypervisor got just these bytes."""
        [place] = [one for one in self._lease.info.deviceUrl if one.disk is not False][:1] or [None]
        if place is None:
            raise self._lost("the lease has no place for the disk")
        body = _Body(disk, size, self._advance(size, task))
        try:
            status, told = self._put(place, body)
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(f"the upload broke off after {body.sent} of {size} bytes ({error})") from error
        if status not in (http.client.OK, http.client.CREATED):
            raise self._lost(f"the upload was refused: {status} {told}")
        self._prove(place, body)

    def complete(self) -> None:
        """End the lease: the machine is there from now on."""
        with self._session.errors("the end of the upload"):
            try:
                self._lease.Progress(100)
                self._lease.Complete()
            except vmodl.fault.ManagedObjectNotFound as error:
                raise self._lost("the session ended amid the upload, and took its lease along") from error
        self._done = True

    def _put(self, place: Any, body: "_Body") -> tuple[int, str]:
        connection, path = open_url(self._session, place)
        try:
            connection.request(
                "POST",
                path,
                body=body,
                headers={
                    "Content-Type": "application/x-vnd.vmware-streamVmdk",
                    "Content-Length": str(body.size),
                    "Overwrite": "t",
                },
            )
            answer = connection.getresponse()
            return answer.status, answer.read(500).decode("utf-8", "replace").strip()
        finally:
            connection.close()

    def _prove(self, place: Any, body: "_Body") -> None:
        """Compare the hypervisor's own digest where it tells one; from API 6.7 on SHA-256, before SHA-1."""
        try:
            told = [one for one in self._lease.HttpNfcLeaseGetManifest() if one.key == place.key]
        except vmodl.MethodFault:  # not every version keeps one of an import; TLS has carried the bytes unaltered
            return
        for entry in told:
            strong = getattr(entry, "checksumType", None) == "sha256"
            same = entry.checksum == body.sha256.hexdigest() if strong else entry.sha1 == body.sha1.hexdigest()
            if not same or entry.size != body.size:
                raise self._lost("the hypervisor got other bytes than were sent")

    def _advance(self, size: int, task: Task) -> Callable[[int], None]:
        sent = 0

        def advance(amount: int) -> None:
            nonlocal sent
            sent += amount
            self._share = min(99, sent * 100 // max(size, 1))
            task.advance(amount)

        return advance

    def _keep_alive(self) -> None:
        while not self._over.wait(self._pause):
            with suppress(Exception):  # what is wrong with the lease, the upload itself will tell
                self._lease.Progress(self._share)

    def _state(self) -> str:
        with self._session.errors("asking for the lease"):
            return str(self._lease.state)

    def _lost(self, what: str) -> TargetError:
        reason = ""
        with suppress(Exception):
            error = self._lease.error
            reason = f": {error.msg}" if error and error.msg else ""
        return TargetError(
            f"hypervisor {self._session.name}: {what}{reason}; the half-made machine was given up",
            "Nothing that runs was touched. Look at the hypervisor's space and network, and try again.",
        )


class _Body:
    """What is sent, counted and hashed while it is read; never whole in memory."""

    def __init__(self, content: Reader, size: int, advance: Callable[[int], None]) -> None:
        self.size = size
        self.sent = 0
        self.sha1 = hashlib.sha1(usedforsecurity=False)
        self.sha256 = hashlib.sha256()
        self._content = content
        self._advance = advance

    def read(self, _amount: int = -1) -> bytes:
        piece = self._content.read(_PIECE)
        self.sent += len(piece)
        self.sha1.update(piece)
        self.sha256.update(piece)
        self._advance(len(piece))
        return piece


def open_url(session: Session, place: Any) -> tuple[http.client.HTTPSConnection, str]:
    """A connection to where a lease has a disk, and the path there; nothing is sent before the certificate is right."""
    url = urlsplit(place.url)
    name = session.access.host_name.strip("[]")
    own = url.hostname in ("*", name)
    host, port = (name, session.access.port) if own else (str(url.hostname), url.port or 443)
    context = session.context if own else _unverified()
    connection = http.client.HTTPSConnection(host, port, timeout=STILL_SECONDS, context=context)
    connection.connect()
    if not own:
        _compare(connection, place.sslThumbprint)
    return connection, f"{url.path}?{url.query}" if url.query else url.path


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _compare(connection: http.client.HTTPSConnection, thumbprint: str | None) -> None:
    """A vCenter sends us to one of its ESX, and vouches for that one's certificate over the pinned connection."""
    shown = connection.sock.getpeercert(binary_form=True) or b""
    digest = hashlib.sha1(shown, usedforsecurity=False).hexdigest()
    if not thumbprint or thumbprint.replace(":", "").lower() != digest:
        raise ssl.SSLError("the ESX shows another certificate than its vCenter says")
