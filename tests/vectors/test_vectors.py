"""The vectors of SPEC.md: two readers that share no code come to the verdict that is written beside each."""

import io
import json
import re
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from bundle_format.blob import Blob
from bundle_format.errors import DamageError, FlotoError, TrustError
from bundle_format.layout.index import Entry
from bundle_format.progress import Silence
from bundle_format.reader import Bundle, open_bundle
from bundle_format.trust.documents import read_document
from bundle_format.trust.trust import trust_in
from bundle_format.writer import Carried, Heading, lay_out
from tests.vectors.independent import DAMAGED, GOOD, UNSUPPORTED, UNTRUSTED, verdict_of

HERE = Path(__file__).parent
SPEC = HERE.parents[1] / "bundle_format" / "SPEC.md"
ROOT = (HERE / "acme.root").read_bytes()
VERDICTS: dict[str, str] = json.loads((HERE / "verdicts.json").read_text(encoding="utf-8"))


def our_verdict(path: Path) -> str:
    try:
        with open_bundle(path, trust_in(read_document(ROOT)), threads=1) as bundle:
            damage = bundle.verify(Silence())
            for entry in bundle.index.blobs:
                if entry.at == "bundle":
                    bundle.read_bytes(entry.digest)
            return DAMAGED if damage else GOOD
    except TrustError:
        return UNTRUSTED
    except DamageError:
        return DAMAGED
    except FlotoError:
        return UNSUPPORTED


@pytest.mark.parametrize("name", VERDICTS)
def test_both_readers_agree_with_the_verdict(name: str) -> None:
    path = HERE / name
    assert our_verdict(path) == VERDICTS[name]
    assert verdict_of(path.read_bytes(), ROOT) == VERDICTS[name]


def test_every_vector_is_listed_and_every_verdict_is_there() -> None:
    assert {path.name for path in HERE.glob("*.floto")} == set(VERDICTS)
    assert set(VERDICTS.values()) == {GOOD, DAMAGED, UNTRUSTED, UNSUPPORTED}
    assert Counter(VERDICTS.values())[GOOD] >= 8


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if verdict == GOOD])
def test_the_writer_still_makes_the_same_bytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a good vector's own frames, heading and codec: the bytes of the day when it was made."""
    file = (HERE / name).read_bytes()
    with open_bundle(HERE / name, trust_in(read_document(ROOT))) as bundle:
        if bundle.index.bases or bundle.page.compatible or bundle.page.version != (1, 0):
            pytest.skip("not made by this writer alone")
        monkeypatch.setattr("bundle_format.writer.CODEC", bundle.index.codec)
        carried = tuple(_as_it_lies(bundle, entry) for entry in bundle.index.blobs)
        given = {"channel", "sequence", "issued", "expires", "architectures", "agent", "sites", "attestations"}
        fields = {field: getattr(bundle.index, field) for field in given}
        heading = Heading(**fields, minimum_root=bundle.page.minimum_root)
        draft = lay_out(bundle.index.product, bundle.index.release, carried, heading, bundle.signers.chain)
        again = io.BytesIO()
        draft.signed(bundle.page.signatures).write(again, Silence())
    assert again.getvalue() == file


def _as_it_lies(bundle: Bundle, entry: Entry) -> Carried:
    packed = list(bundle.frames(entry.digest))
    return Carried(Blob(entry.digest, entry.size), entry.type, [one.frame for one in packed], lambda: iter(packed))


def test_the_example_of_the_specification_is_a_vector() -> None:
    text = SPEC.read_text(encoding="utf-8")
    file = (HERE / "minimal.floto").read_bytes()
    lines = re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)$", text, re.MULTILINE)
    assert len(lines) > 20
    for offset, content in lines:
        expected = bytes.fromhex(content)
        assert file[int(offset, 16) :][: len(expected)] == expected, offset
    with open_bundle(HERE / "minimal.floto", trust_in(read_document(ROOT))) as bundle:
        assert f"`{bundle.page.index_digest}`" in text
        assert f"`{sha256(bundle.page.message).hexdigest()}`" in text
