"""A mutator that signs what it spoilt, so that fuzzing gets past the signature to the checks behind it."""

import random
import struct
from dataclasses import replace
from typing import Any

import atheris

from bundle_format.canonical import canonical
from bundle_format.errors import FlotoError
from tests.bundles import root_document
from tests.forge import Forgery, forgery_of_file

ROOT = root_document("acme")


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """`content` with one of its pieces spoilt, everything else made to fit, and signed."""
    rng = random.Random(seed)
    try:
        good = forgery_of_file(content, ROOT)
    except (FlotoError, ValueError):
        return bytes(atheris.Mutate(content, most))
    if rng.random() < 0.1:
        return good.with_signed_bytes(rng.randrange(16, 252), rng.randbytes(rng.randrange(1, 9)))
    return _spoilt(good, rng, most).to_bytes()[:most]


def _spoilt(good: Forgery, rng: random.Random, most: int) -> Forgery:
    match rng.choice(("index", "value", "table", "payload", "trust")):
        case "index":
            return replace(good, index=_changed(good.index, most) or b"{}")
        case "value":
            return _another_value(good, rng)
        case "table":
            return good.with_table(_changed(good.table, most))
        case "payload":
            return replace(good, payload=_changed(good.payload, most))
    return replace(good, trust=_changed(good.trust, most))


def _changed(content: bytes, most: int) -> bytes:
    return bytes(atheris.Mutate(content, most))


def _another_value(good: Forgery, rng: random.Random) -> Forgery:
    """A value that is almost right, where a byte changed at random would only spoil the JSON."""
    value: Any = rng.choice(
        [0, 1, 2, 41, 2**31, 2**32, 2**53 - 1, -1, None, "", "site", "patch", [], {}, True, "sha256:" + "0" * 64]
    )
    if rng.random() < 0.3:
        key = rng.choice(["sequence", "issued", "sites", "definition", "table", "blobs", "attestations", "bases"])
        return good.with_index(**{key: value})
    if rng.random() < 0.5:
        return _another_frame(good, rng)
    key = rng.choice(["size", "first", "frames", "at", "base", "digest", "type"])
    try:
        return good.with_entry(rng.randrange(5), **{key: value})
    except (IndexError, TypeError, KeyError, ValueError):
        return replace(good, index=canonical(value))


def _another_frame(good: Forgery, rng: random.Random) -> Forgery:
    """A frame that says something else of its sizes."""
    table = bytearray(good.table)
    if len(table) >= 40:
        at = rng.randrange(len(table) // 40) * 40 + rng.choice((0, 4))
        struct.pack_into("<I", table, at, rng.choice([0, 1, 2**22, 2**22 + 1, 2**31, 2**32 - 1, rng.randrange(2000)]))
    return good.with_table(bytes(table))
