"""Files into and out of containers that need not run (API: PUT and GET /containers/ID/archive)."""

import io
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import requests

from agent.targets.docker.connection import Connection, RefusedError
from bundle_format.release.fittings import RenderedFile

ARCHIVE_SECONDS = 300

_ADDED, _REMOVED = 1, 2
"""Kinds of change to a container's own files (API: GET /containers/ID/changes); 0 is for what was there before."""


def put_files(connection: Connection, container: str, folder: str, files: Iterable[RenderedFile]) -> None:
    """Lay files below `folder` of a container; missing folders are made, root's and readable by all."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            member = tarfile.TarInfo(str(PurePosixPath(file.path).relative_to(folder)))
            member.size, member.mode, member.uid, member.gid = len(file.content), file.mode, file.uid, file.gid
            archive.addfile(member, io.BytesIO(file.content))
    connection.put(f"/containers/{container}/archive", content.getvalue(), seconds=ARCHIVE_SECONDS, path=folder)


def read_file(connection: Connection, container: str, path: str, limit: int) -> bytes | None:
    """A regular file's content; None if it is missing, something else, or over `limit` bytes."""
    try:
        with archive_of(connection, container, path) as archive:
            member = archive.next()
            opened = archive.extractfile(member) if member and member.isreg() and member.size <= limit else None
            return opened.read() if opened else None
    except RefusedError as refused:
        if refused.status == requests.codes.not_found:
            return None
        raise


def carry_over(connection: Connection, found: Mapping[str, Any], made: str) -> None:
    """Give `made`, of the same image, what `found` has written; what was removed there comes back with the image.

    Named volumes and folders of the host are the same for both and are left alone; nameless volumes are copied.
    """
    named = {mount["Target"].rstrip("/") for mount in found["HostConfig"].get("Mounts") or () if mount.get("Source")}
    places = {mount["Destination"] for mount in found["Mounts"]}
    changes = connection.get(f"/containers/{found['Id']}/changes") or ()
    written = {change["Path"]: change["Kind"] == _ADDED for change in changes if change["Kind"] != _REMOVED}
    copies = [(path, str(PurePosixPath(path).parent)) for path in topmost(written, places)]
    copies += [(f"{place}/.", place) for place in sorted(places - named)]
    for path, folder in copies:
        where, query = f"/containers/{found['Id']}/archive", {"path": path}
        with connection.stream("GET", where, query=query, seconds=ARCHIVE_SECONDS) as response:
            content = response.iter_content(1 << 20)
            connection.put(f"/containers/{made}/archive", content, seconds=ARCHIVE_SECONDS, path=folder)


def topmost(written: Mapping[str, bool], places: Collection[str]) -> list[str]:
    """What to copy so that all is copied, once: of paths that were written, by whether they are new, none in `places`.

    A new folder is copied whole unless it holds such a place; an old one is listed only for what is new in it.
    """
    chosen: list[str] = []
    for path in sorted(written, key=lambda path: PurePosixPath(path).parts):
        below = PurePosixPath(path)
        if any(below.is_relative_to(other) for other in (*chosen[-1:], *places)):
            continue
        holds = (place for place in (*places, *written) if place != path and PurePosixPath(place).is_relative_to(below))
        inner = list(holds)
        if not inner or (written[path] and not set(inner) & set(places)):
            chosen.append(path)
    return chosen


@contextmanager
def archive_of(connection: Connection, container: str, path: str) -> Iterator[tarfile.TarFile]:
    """What lies at `path` as a tar that is read while it comes."""
    query = {"path": path}
    with (
        connection.stream("GET", f"/containers/{container}/archive", query=query, seconds=ARCHIVE_SECONDS) as response,
        tarfile.open(fileobj=response.raw, mode="r|", bufsize=1 << 20) as archive,
    ):
        yield archive
