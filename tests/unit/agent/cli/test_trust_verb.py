"""`floto-agent trust` as an operator meets it."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import VERBS
from bundle_format.terminal import run_program
from bundle_format.trust.authorisation import Authorisation, Lowering, Reset
from bundle_format.trust.documents import Document, write_documents
from bundle_format.trust.words import words_of
from tests.bundles import ISSUED, key, make_bundle, root_document

Run = Callable[..., Any]
ROOT = root_document("acme")


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `trust` with a state folder of its own; `answer` is what the person types."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOTO_STATE", "state")
    Path("root-1.floto-root").write_bytes(ROOT.to_bytes())

    def run(*words: str, answer: str = "", code: int = 0) -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        ended = run_program("floto-agent", "test", "", VERBS, ("trust", *words))
        out, err = capsys.readouterr()
        assert ended == code, err
        if "--json" in words and not code:
            return json.loads(out)
        return out + err

    return run


def enrol(floto: Run) -> None:
    floto("enrol", "root-1.floto-root", "--fingerprint", words_of(ROOT.fingerprint))


def test_enrolling_shows_the_fingerprint_and_asks(floto: Run) -> None:
    told = floto("enrol", "root-1.floto-root", answer="yes\n")
    assert ROOT.fingerprint in told and words_of(ROOT.fingerprint) in told
    assert "shop: root 1" in floto("show")


@pytest.mark.parametrize(("answer", "code"), [("no\n", 10), ("\n", 10), ("", 2)])
def test_nobody_is_believed_without_a_comparison(floto: Run, answer: str, code: int) -> None:
    floto("enrol", "root-1.floto-root", answer=answer, code=code)
    assert "nothing is enrolled" in floto("show")


@pytest.mark.parametrize("told", [words_of(ROOT.fingerprint), ROOT.fingerprint, ROOT.fingerprint[7:].upper()])
def test_the_fingerprint_may_be_told_beforehand(floto: Run, told: str) -> None:
    assert floto("enrol", "root-1.floto-root", "--fingerprint", told, "--json")["products"][0]["enrolled"] == (
        ROOT.fingerprint
    )


def test_threat_31_another_root_document_than_the_one_told_of_is_not_enrolled(floto: Run) -> None:
    forged = root_document("mallory")
    Path("root-1.floto-root").write_bytes(forged.to_bytes())
    said = floto("enrol", "root-1.floto-root", "--fingerprint", words_of(ROOT.fingerprint), code=10)
    assert "BAD" in said
    assert words_of(forged.fingerprint) not in said
    assert "nothing is enrolled" in floto("show")


def test_a_slip_of_the_tongue_is_not_taken_for_a_forgery(floto: Run) -> None:
    told = words_of(ROOT.fingerprint).replace(words_of(ROOT.fingerprint).split()[0], "floto", 1)
    assert "'floto' is no word" in floto("enrol", "root-1.floto-root", "--fingerprint", told, code=2)


def test_a_second_enrolment_of_the_same_changes_nothing(floto: Run) -> None:
    enrol(floto)
    enrol(floto)
    Path("root-1.floto-root").write_bytes(root_document("mallory").to_bytes())
    assert "enrolled already" in floto("enrol", "root-1.floto-root", answer="y\n", code=2)


def successor(*names: str) -> Document:
    root = root_document("zoe")
    document = Document(root.kind, root.product_id, 2, root.payload.replace(b'"version":1', b'"version":2'))
    for name in names:
        document = document.signed(key(name).sign(document.message))
    return document


def test_a_newer_root_is_learned_by_itself_or_from_a_bundle(floto: Run) -> None:
    enrol(floto)
    chain = (ROOT, successor("acme", "zoe"))
    Path("chain").write_bytes(write_documents(chain))
    bundle = make_bundle(Path("made"), signer="zoe", chain=chain)
    for source in ("chain", str(bundle.path)):
        assert "shop: root 2" in floto("update", source)


def test_what_does_not_follow_is_refused_and_changes_nothing(floto: Run) -> None:
    enrol(floto)
    before = floto("show")
    for name, content, code in (
        ("alone", successor("zoe").to_bytes(), 10),
        ("cut", successor("acme", "zoe").to_bytes()[:-1], 11),
        ("rubbish", b"x" * 9000, 11),
        ("stranger", root_document("acme", product="bank").to_bytes(), 10),
    ):
        Path(name).write_bytes(content)
        floto("update", name, code=code)
    floto("update", "missing", code=12)
    assert floto("show") == before


def authorised(**what: Any) -> bytes:
    document = Authorisation(
        product="shop", issued=ISSUED, expires=4_000_000_000, reason="a test", **what
    ).to_document()
    return document.signed(key("acme").sign(document.message)).to_bytes()


def test_leave_to_go_back_is_kept_and_shown(floto: Run) -> None:
    enrol(floto)
    lower = Lowering(channel="stable", sequence=4, index=ROOT.fingerprint)
    Path("permit").write_bytes(authorised(site="krakow-1", lower=lower))
    assert "sequence 4 on stable at krakow-1, until 2096-10-02" in floto("update", "permit")


def test_threat_09_a_lost_memory_tells_its_challenge_and_takes_the_reset(floto: Run) -> None:
    enrol(floto)
    for copy in Path().glob("**/trust.json"):
        copy.write_bytes(b"")
    challenge = floto("show", "--json")["challenge"]
    assert challenge in floto("show")
    words = ("enrol", "root-1.floto-root", "--fingerprint", words_of(ROOT.fingerprint))
    assert challenge in floto(*words, code=10)
    Path("reset").write_bytes(authorised(reset=Reset(challenge=challenge, channels={"stable": 5})))
    assert "took sequence 5" in floto(*words, "--reset", "reset")
