"""Files behind an address."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

from builder.web.client import Request, Web
from bundle_format.digest import Digest
from bundle_format.errors import DamageError, DefinitionError
from bundle_format.progress import Progress
from bundle_format.release.model import File
from bundle_format.store import Store


def download(url: str, expected: Digest | None, web: Web, store: Store, progress: Progress, *, said_by: str) -> File:
    """Bring what is behind `url` into the store.

    DefinitionError where it is not to be had, or not what is `expected`, as the words `said_by` tell by whom.
    """
    if expected is not None and expected in store:
        web.forget(expected)
        return File(digest=expected, size=store.size(expected))
    request = Request(url, file_name(url))
    with progress.task(request.what) as task:
        for last in (False, True):
            try:
                with web.download(request, expected, task) as stream:
                    blob = store.add(stream, expected=expected)
                return File(digest=blob.digest, size=blob.size)
            except DamageError as error:
                if last:
                    raise DefinitionError(
                        f"{request.what}: {url} has other content than {said_by} says",
                        "Is it another version? If it is meant: give its sha256, and floto-builder lock --upgrade",
                    ) from error
    raise AssertionError


def file_name(url: str) -> str:
    """What the file behind a URL is called."""
    _, _, path = re.split("[?#]", url)[0].partition("//")[2].partition("/")
    return PurePosixPath(unquote(path)).name or "download"
