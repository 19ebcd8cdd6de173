"""Files into and out of containers that need not run (API: PUT and GET /containers/ID/archive)."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import requests

from agent.targets.docker.connection import Connection, RefusedError
from bundle_format.release.deployment import RenderedFile

ARCHIVE_SECONDS = 300


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


@contextmanager
def archive_of(connection: Connection, container: str, path: str) -> Iterator[tarfile.TarFile]:
    """What lies at `path` as a tar that is read while it comes."""
    query = {"path": path}
    with (
        connection.stream("GET", f"/containers/{container}/archive", query=query, seconds=ARCHIVE_SECONDS) as response,
        tarfile.open(fileobj=response.raw, mode="r|", bufsize=1 << 20) as archive,
    ):
        yield archive
