"""What a site holds, in a few kilobytes that can be carried home: the next delta is made for exactly that.

A site signs it with a key that it made for itself; whoever builds sees the same fingerprint each time.
"""

from typing import Any, Final, Literal

from pydantic import ValidationError

from bundle_format.canonical import canonical, parse_canonical
from bundle_format.digest import Digest
from bundle_format.errors import FlotoError
from bundle_format.layout.index import Base, Count
from bundle_format.release.fields import Name
from bundle_format.release.model import DigestText
from bundle_format.release.value import Value, faults_of
from bundle_format.trust.signing import PublicKey, Signature, Signer, verify

FORMAT: Final = "floto-inventory/1"

_PREFIX = b"floto/inventory/v1\0"
_LIMIT = 16 << 20


class Held(Value):
    """One release of which the site holds the blobs that `base` names; `definition` is the resolved release itself."""

    base: Base
    definition: DigestText


class Inventory(Value):
    """The releases that a site can fall back on, newest first; `written` is in seconds since 1970 UTC."""

    format: Literal["floto-inventory/1"] = FORMAT
    product: Name
    site: Name
    written: Count
    releases: tuple[Held, ...]


def write_inventory(inventory: Inventory, signer: Signer) -> bytes:
    """The text that the site hands out."""
    content = inventory.model_dump(mode="json")
    signature = signer.sign(_PREFIX + canonical(content)).content
    return canonical({"inventory": content, "key": signer.public.raw.hex(), "signature": signature.hex()})


def fingerprint_of(key: PublicKey) -> Digest:
    """By what people know a site's key; the same for all of its inventories."""
    return Digest("sha256:" + key.key_id.hex())


def read_inventory(text: bytes) -> tuple[Inventory, PublicKey]:
    """An inventory and the key that signed it; FlotoError when it is none or was changed on its way."""
    try:
        content, key, signature = _parsed(text)
    except (ValueError, KeyError, TypeError) as error:
        raise FlotoError("this is no inventory of a site", hint=_AGAIN) from error
    if not verify(key, _PREFIX + canonical(content), Signature(key.key_id, signature)):
        raise FlotoError("the inventory was changed after the site had signed it", hint=_AGAIN)
    try:
        return Inventory.model_validate_json(canonical(content)), key
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, path))}: {fault}" for path, fault in faults_of(error))
        raise FlotoError(f"the inventory is not sound: {faults}", hint=_AGAIN) from error


_AGAIN = "write it again on site with: floto-agent export inventory"


def _parsed(text: bytes) -> tuple[dict[str, Any], PublicKey, bytes]:
    if len(text) > _LIMIT:
        raise ValueError("too large")
    outer = parse_canonical(text.strip())
    if set(outer) != {"inventory", "key", "signature"}:
        raise ValueError("other keys than expected")
    return outer["inventory"], PublicKey(bytes.fromhex(outer["key"])), bytes.fromhex(outer["signature"])
