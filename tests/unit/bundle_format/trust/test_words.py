import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle_format.digest import Digest, digest_of
from bundle_format.trust.words import WORDS, matches, words_of

FINGERPRINT = digest_of(b"root")


def digest(start: str) -> Digest:
    return Digest("sha256:" + start.ljust(64, "e"))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("0" * 32, "abandon " * 11 + "about"),
        ("7f" * 16, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
        ("80" * 16, "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"),
        ("f" * 32, "zoo " * 11 + "wrong"),
    ],
)
def test_the_words_are_those_of_bip_39(start: str, words: str) -> None:
    assert words_of(digest(start)) == words


def test_four_letters_tell_every_word() -> None:
    assert len(WORDS) == len({word[:4] for word in WORDS}) == 2048


@settings(deadline=None)
@given(st.binary(max_size=8))
def test_a_fingerprint_is_known_again_however_it_is_told(content: bytes) -> None:
    fingerprint = digest_of(content)
    words = words_of(fingerprint)
    short = ", ".join(word[:4] for word in words.split())
    for told in (words, words.upper(), short, words.replace(" ", "\n"), fingerprint, fingerprint[7:].upper()):
        assert matches(fingerprint, told)


def test_another_fingerprint_does_not_match() -> None:
    assert not matches(FINGERPRINT, words_of(digest_of(b"other")))
    assert not matches(FINGERPRINT, digest_of(b"other"))
    swapped = words_of(FINGERPRINT).split()
    swapped[3], swapped[4] = swapped[4], swapped[3]
    assert not matches(FINGERPRINT, " ".join(swapped))


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ("", "12 words or 64 hex"),
        ("abandon " * 11, "12 words or 64 hex"),
        ("sha256:" + "0" * 63, "12 words or 64 hex"),
        ("abandon " * 11 + "abowt", "'abowt' is no word"),
        ("abandon " * 11 + "ab", "'ab' is no word"),
    ],
)
def test_a_slip_is_named_and_is_no_verdict(told: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        matches(FINGERPRINT, told)
