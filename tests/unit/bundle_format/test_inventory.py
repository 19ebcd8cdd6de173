"""Inventories: read back as they were written, and refused after any change."""

import pytest

from bundle_format.digest import digest_of
from bundle_format.errors import FlotoError
from bundle_format.inventory import Held, Inventory, read_inventory, write_inventory
from bundle_format.layout.index import Base
from tests.bundles import ISSUED, key

BASE = Base(release="1", sequence=1, index=digest_of(b"index"), blobs=(digest_of(b"a"), digest_of(b"b")))
INVENTORY = Inventory(
    product="shop", site="krakow", written=ISSUED, releases=(Held(base=BASE, definition=digest_of(b"release")),)
)


def test_an_inventory_comes_back_with_the_key_that_signed_it() -> None:
    assert read_inventory(write_inventory(INVENTORY, key("site"))) == (INVENTORY, key("site").public)


def test_every_changed_byte_is_refused() -> None:
    text = write_inventory(INVENTORY, key("site"))
    for at in range(len(text)):
        with pytest.raises(FlotoError):
            read_inventory(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b'{"inventory":1,"key":"","signature":""}', b"\xff"])
def test_what_is_no_inventory_is_said_to_be_none(text: bytes) -> None:
    with pytest.raises(FlotoError):
        read_inventory(text)
