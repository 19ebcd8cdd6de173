"""The tar that a bundle's payload is: a member for each blob, so that the file opens without floto (SPEC.md, payload).

Headers, padding and end follow from the index alone; a reader compares them with what it derives.
"""

from bundle_format.digest import hex_of
from bundle_format.layout.index import Entry

BLOCK = 512

PATHS = {"oci-layout": "oci-layout", "oci-index": "index.json", "docker-manifest": "manifest.json"}
"""Where blobs of these types lie for those who read an OCI layout or a docker archive; all others by their digest."""

_OCTAL_LIMIT = 8**11


def path_of(entry: Entry) -> str:
    """The member's path: one of three fixed names, or the blob's digest; never a name from outside (THREATS 20)."""
    return PATHS.get(entry.type, f"blobs/sha256/{hex_of(entry.digest)}")


def header(path: str, size: int) -> bytes:
    """The ustar header (POSIX.1-1988) of a plain file that belongs to nobody and has no date."""
    fields = (
        path.encode("ascii").ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        _size_field(size),
        b"00000000000\0",
        b" " * 8,
        b"0".ljust(101, b"\0"),
        b"ustar\x0000".ljust(88, b"\0"),
    )
    block = bytearray(b"".join(fields).ljust(BLOCK, b"\0"))
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def _size_field(size: int) -> bytes:
    # Beyond 8 GiB the size is binary, as GNU tar, bsdtar, Go and Python write and read it.
    if size < _OCTAL_LIMIT:
        return b"%011o\0" % size
    return b"\x80" + size.to_bytes(11, "big")


def padding(size: int) -> bytes:
    """The zero bytes after a member of `size` bytes."""
    return bytes(-size % BLOCK)


END = bytes(2 * BLOCK)
"""The two zero blocks that end a tar."""
