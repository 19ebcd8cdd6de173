"""Fingerprints as words that can be read over the phone (SPEC.md, fingerprints)."""

import hashlib
import re

from bundle_format.digest import Digest, hex_of
from bundle_format.trust.wordlist import WORDS

COUNT = 12
"""Words a fingerprint has: 128 bits of its digest, and 4 bits by which most slips of the tongue are noticed."""

_BITS = 11
_SHOWN = 16
_LETTERS = 4


def words_of(fingerprint: Digest) -> str:
    """Twelve words for the first 128 bits of a digest, as BIP 39 spells them."""
    return " ".join(WORDS[number] for number in _numbers(fingerprint))


def matches(fingerprint: Digest, told: str) -> bool:
    """Whether a person told the same fingerprint, as words (four letters of each are enough) or as 64 hex digits.

    ValueError, which names the word, when it is neither: a slip is no verdict.
    """
    plain = re.sub(r"[\s,:-]+", "", told.lower()).removeprefix("sha256")
    if re.fullmatch(r"[0-9a-f]{64}", plain):
        return plain == hex_of(fingerprint)
    spoken = re.findall(r"[a-z]+", told.lower())
    if len(spoken) != COUNT or re.search(r"[0-9]", told):
        raise ValueError(f"a fingerprint is {COUNT} words or 64 hex digits")
    return [_number(word) for word in spoken] == _numbers(fingerprint)


def _numbers(fingerprint: Digest) -> list[int]:
    shown = bytes.fromhex(hex_of(fingerprint))[:_SHOWN]
    check = hashlib.sha256(shown).digest()[0] >> 4
    bits = int.from_bytes(shown, "big") << 4 | check
    return [bits >> (_BITS * place) & (len(WORDS) - 1) for place in reversed(range(COUNT))]


def _number(word: str) -> int:
    found = [number for number, known in enumerate(WORDS) if word in (known, known[:_LETTERS])]
    if not found:
        raise ValueError(f"{word!r} is no word of a fingerprint")
    return found[0]
