import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bundle_format.errors import RefusedError, UnknownKeyError
from bundle_format.trust.documents import (
    PAYLOAD_LIMIT,
    Document,
    Kind,
    product_id,
    read_document,
    read_documents,
    write_documents,
)
from bundle_format.trust.roots import Root, first_root, next_root
from tests.unit.bundle_format.trust.builders import key, make_root, role, signed


def test_a_root_document_comes_back_as_it_was_written() -> None:
    root = make_root(revoked={}, expires=2_000_000_000)
    document = read_document(signed(root, "acme").to_bytes())
    assert first_root(document) == root
    assert len(document.message) == 279


def test_a_signature_leaves_the_fingerprint_alone() -> None:
    document = make_root().to_document()
    assert document.signed(key("acme").sign(document.message)).fingerprint == document.fingerprint


def test_all_faults_of_a_root_are_told_at_once() -> None:
    sound = make_root().model_dump(mode="json")
    sound["keys"]["twin"] = sound["keys"]["acme"]
    sound["roles"]["release"] = {"keys": ["acme", "acme", "zoe"], "threshold": 4}
    sound["channels"] = {}
    with pytest.raises(ValidationError) as refusal:
        Root.model_validate_json(json.dumps(sound))
    for fault in ("under two names", "at least one", "'zoe'", "named twice", "4 signatures are asked of 3 keys"):
        assert fault in str(refusal.value)


def with_payload(payload: bytes, version: int = 1) -> Document:
    document = Document(Kind.ROOT, product_id("shop"), version, payload)
    return document.signed(key("acme").sign(document.message))


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[" * 60_000, b'{"a":1,"a":1}', make_root().to_document().payload.replace(b":", b": ", 1)],
    ids=["empty", "nothing", "deep", "twice", "spaced"],
)
def test_what_is_signed_and_yet_no_root_is_refused(payload: bytes) -> None:
    with pytest.raises(RefusedError, match="not understood"):
        first_root(with_payload(payload))


def test_a_payload_cannot_contradict_its_page() -> None:
    with pytest.raises(RefusedError, match="contradicts"):
        first_root(with_payload(make_root(2).to_document().payload))


def test_no_payload_is_parsed_before_its_signatures_were_counted() -> None:
    document = Document(Kind.ROOT, product_id("shop"), 2, b"no JSON at all")
    with pytest.raises(UnknownKeyError):
        next_root(make_root(), document)


def test_the_kind_of_a_document_is_signed() -> None:
    document = signed(make_root(2), "acme")
    passed_off = dataclasses.replace(document, kind=Kind.AUTHORISATION)
    assert passed_off.message != document.message
    with pytest.raises(UnknownKeyError):
        next_root(make_root(), passed_off)


def test_a_root_goes_forward_in_time_and_stays_with_its_product() -> None:
    with pytest.raises(RefusedError, match="issued before"):
        next_root(make_root(), signed(make_root(2, issued=1), "acme"))
    with pytest.raises(RefusedError, match="for 'bank'"):
        next_root(make_root(), signed(make_root(2, product="bank"), "acme"))


@pytest.mark.parametrize("changed", [b"", b"x" * 5000, signed(make_root(), "acme").to_bytes() + b"\0"])
def test_what_is_no_document_is_refused(changed: bytes) -> None:
    with pytest.raises(ValueError):
        read_document(changed)


def test_a_document_has_a_largest_size() -> None:
    with pytest.raises(ValueError, match="cut short"):
        read_document(with_payload(b"x" * (PAYLOAD_LIMIT + 1)).to_bytes())


def test_threat_34_a_document_of_a_later_form_is_refused() -> None:
    content = bytearray(write_documents([signed(make_root(), "acme")]))
    content[12] = 2
    with pytest.raises(ValueError, match="form 2"):
        read_document(bytes(content))


def test_roles_may_share_keys_and_differ_in_thresholds() -> None:
    root = make_root(root=role("ann", "bob", threshold=2), release=role("bob"))
    assert first_root(signed(root, "ann", "bob")).threshold("root") == 2
    with pytest.raises(UnknownKeyError):
        first_root(signed(root, "bob"))


@given(st.binary(max_size=200), st.integers(0, 4400), st.binary(min_size=1, max_size=8))
def test_threat_17_reading_a_chain_ends_in_documents_or_a_value_error(start: bytes, place: int, patch: bytes) -> None:
    sound = signed(make_root(), "acme").to_bytes()
    for content in (start, sound[:12] + start, sound[:place] + patch + sound[place + len(patch) :]):
        try:
            documents = read_documents(content)
        except ValueError:
            continue
        assert write_documents(documents) == content
