"""Adding a signature to a finished bundle: only its first and its last page change (SPEC.md, counter-signing)."""

import os
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from bundle_format.errors import DamageError, FlotoError
from bundle_format.layout.index import Index, read_index
from bundle_format.layout.medium import FileMedium
from bundle_format.layout.preamble import (
    PAGE_SIZE,
    SECTION_HEAD,
    Page,
    check_bounds,
    check_understood,
    read_page,
    section_content,
    sha256,
)
from bundle_format.trust.documents import Document, read_documents
from bundle_format.trust.signing import Signature, with_signature


@dataclass(frozen=True)
class Unjudged:
    """What a bundle says that nobody has judged: for those who sign it or look at it, never for a site."""

    page: Page
    index: Index
    chain: tuple[Document, ...]


def read_unjudged(path: Path) -> Unjudged:
    """What the bundle at `path` says, each part compared with the header page; DamageError when they contradict."""
    with closing(FileMedium(path)) as medium:
        content = medium.read_at(0, PAGE_SIZE)
        page = read_page(content)
        check_bounds(page)
        check_understood(page, content)
        if medium.size != page.total or medium.read_at(page.total - PAGE_SIZE, PAGE_SIZE) != content:
            raise DamageError(f"{path} is not whole: its first page and its end do not agree", "Fetch another copy.")
        try:
            chain = _section(medium, PAGE_SIZE, page.index_offset, page.trust_sha256)
            end = page.index_offset + SECTION_HEAD + page.index_size
            index = _section(medium, page.index_offset, end, page.index_sha256)
            return Unjudged(page, read_index(index), read_documents(chain))
        except ValueError as error:
            raise DamageError(f"{path} is damaged: {error}", "Fetch another copy.") from error


def add_signature(path: Path, page: Page, signature: Signature) -> None:
    """Write a signature of `page` into the bundle at `path`; the first page or the last is whole at any time."""
    page = replace(page, signatures=with_signature(page.signatures, signature))
    try:
        with path.open("r+b") as file:
            for offset in (page.total - PAGE_SIZE, 0):
                file.seek(offset)
                file.write(page.to_bytes())
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise FlotoError(f"{path} cannot be written: {error.strerror}", "Sign a copy where you may write.") from error


def _section(medium: FileMedium, start: int, end: int, digest: bytes) -> bytes:
    content = section_content(medium.read_at(start, end - start))
    if sha256(content) != digest:
        raise ValueError("a section is not what the header page says")
    return content
