"""`keygen`, `root`, `sign` and `authorise` as their users meet them."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.cli.main import VERBS
from builder.roots import owners_text
from bundle_format.digest import digest_of
from bundle_format.errors import ExitCode, UnknownKeyError
from bundle_format.reader import open_bundle
from bundle_format.terminal import run_program
from bundle_format.trust.authorisation import Authorisation, Reset
from bundle_format.trust.documents import read_document
from bundle_format.trust.roots import payload_of
from bundle_format.trust.trust import Trust, trust_in
from bundle_format.trust.words import words_of
from tests.bundles import Made, make_bundle

Run = Callable[..., Any]


@pytest.fixture
def floto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb in an empty folder; returns what it printed, read as JSON where it was asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("PASSPHRASE", "open sesame")

    def run(*words: str, code: int = 0) -> Any:
        ended = run_program("floto-builder", "test", "", VERBS, words)
        out, err = capsys.readouterr()
        assert ended == code, err
        if code:
            return err
        return json.loads(out) if "--json" in words else out

    return run


def roots(version: int = 1) -> Path:
    return Path("keys") / f"root-{version}.floto-root"


def test_a_product_with_a_single_key_is_one_command_here(floto: Run) -> None:
    told = floto("keygen", "shop", "--no-passphrase")
    assert "never leaves" in told and "goes to every site" in told and "NOT locked" in told
    root = read_document(roots().read_bytes())
    assert root.fingerprint in told
    assert set(trust_in(root).enrolments) == {"shop"}


def test_a_key_is_not_made_without_a_word_about_its_passphrase(floto: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    assert "no terminal to ask on" in floto("keygen", "shop", code=2)
    assert not Path("keys").exists()


def test_nothing_is_made_where_a_channel_cannot_be_called_so(floto: Run) -> None:
    said = floto("keygen", "shop", "--no-passphrase", "--channel", "beta", "--channel", "a b", code=2)
    assert "'a b' cannot name a channel" in said and not Path("keys").exists()


def test_keys_of_several_owners_make_one_root(floto: Run) -> None:
    for name in ("ann", "bob", "cem"):
        floto("keygen", name, "--key-only", "--passphrase-env", "PASSPHRASE", "--json")
    everybody = '{ keys = ["ann", "bob", "cem"], threshold = 2 }'
    Path("keys/root.toml").write_text(
        'product = "shop"\n[keys]\nann = "ann.pub"\nbob = "bob.pub"\ncem = "cem.pub"\n'
        f"[roles]\nroot = {everybody}\nrelease = {everybody}\nauthorise = {everybody}\n[channels]\nstable = 0\n",
        "utf-8",
    )
    ann = ("--key", "keys/ann.key", "--passphrase-env", "PASSPHRASE")
    first = floto("root", *ann, "--json")
    assert first["signatures"] == [{"root": 1, "role": "root", "signers": ["ann"], "threshold": 2}]
    assert "1 more to go" in floto("sign", str(roots()), "--show")
    assert "root-1.floto-root does not hold" in floto("root", code=2)
    Path("word").write_text("open sesame\n", "utf-8")
    assert "complete" in floto("sign", str(roots()), "--key", "keys/cem.key", "--passphrase-file", "word")
    assert "wrong" in floto("sign", str(roots()), "--key", "keys/bob.key", "--passphrase-env", "HOME", code=2)
    trust_in(read_document(roots().read_bytes()))


def test_a_rotation_says_who_still_has_to_sign_under_which_root(floto: Run) -> None:
    floto("keygen", "shop", "--no-passphrase")
    floto("keygen", "zoe", "--key-only", "--no-passphrase")
    Path("keys/root.toml").write_text(owners_text("shop", "zoe", ["stable"]), "utf-8")
    told = floto("root", "--key", "keys/zoe.key", "--json")
    assert [(tally["root"], tally["signers"]) for tally in told["signatures"]] == [(1, []), (2, ["zoe"])]
    floto("sign", str(roots(2)), "--key", "keys/shop.key")
    trust = trust_in(read_document(roots().read_bytes())).follow(roots(2).read_bytes())
    assert trust.enrolments["shop"].root.version == 2


def unsigned_bundle() -> tuple[Made, Trust]:
    """A bundle that none of the keys of root 1 has signed yet, and a trust in that root."""
    root = read_document(roots().read_bytes())
    return make_bundle(Path(), signer="nobody", chain=(root,)), trust_in(root)


def test_a_signature_changes_the_first_and_the_last_page_alone(floto: Run) -> None:
    floto("keygen", "shop", "--no-passphrase")
    made, trust = unsigned_bundle()
    with pytest.raises(UnknownKeyError):
        open_bundle(made.path, trust)
    before = made.path.read_bytes()
    told = floto("sign", str(made.path), "--key", "keys/shop.key", "--json")
    assert told["signatures"] == [{"root": 1, "role": "release", "signers": ["shop"], "threshold": 1}]
    assert told["digest"] == made.written.index_digest
    after = made.path.read_bytes()
    assert after[4096:-4096] == before[4096:-4096]
    assert after[:4096] == after[-4096:] != before[:4096]
    with open_bundle(made.path, trust) as bundle:
        assert bundle.signers.names == ("shop",)


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.mark.parametrize("what", ["bundle", "root document"])
def test_a_ceremony_with_openssl_alone(floto: Run, what: str) -> None:
    floto("keygen", "shop", "--passphrase-env", "PASSPHRASE")
    made, trust = unsigned_bundle()
    if what == "bundle":
        file = str(made.path)
    else:
        owners = Path("keys/root.toml")
        owners.write_text(owners.read_text("utf-8").replace('"stable" = 0', '"stable" = 1'), "utf-8")
        floto("root")
        file = str(roots(2))
    floto("sign", file, "--export", "message")
    assert Path("message").stat().st_size == 279
    openssl(
        "pkeyutl",
        "-sign",
        "-rawin",
        "-inkey",
        "keys/shop.key",
        "-passin",
        "env:PASSPHRASE",
        "-in",
        "message",
        "-out",
        "signature",
    )
    openssl(
        "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "keys/shop.pub", "-in", "message", "-sigfile", "signature"
    )
    assert "complete" in floto("sign", file, "--attach", "signature", "--public", "keys/shop.pub")
    if what == "bundle":
        open_bundle(made.path, trust).__exit__()
    else:
        trust.follow(roots(2).read_bytes())


def test_a_key_that_openssl_made_is_as_good(floto: Run) -> None:
    Path("keys").mkdir()
    openssl("genpkey", "-algorithm", "ed25519", "-out", "keys/shop.key")
    openssl("pkey", "-in", "keys/shop.key", "-pubout", "-out", "keys/shop.pub")
    Path("keys/shop.key").chmod(0o600)
    role = '{ keys = ["shop"], threshold = 1 }'
    Path("keys/root.toml").write_text(
        f'product = "shop"\n[keys]\nshop = "shop.pub"\n[roles]\nroot = {role}\nrelease = {role}\nauthorise = {role}\n'
        "[channels]\nstable = 0\n",
        "utf-8",
    )
    assert "complete" in floto("root", "--key", "keys/shop.key")


def test_a_false_signature_is_never_attached(floto: Run) -> None:
    floto("keygen", "shop", "--no-passphrase")
    made, _ = unsigned_bundle()
    before = made.path.read_bytes()
    Path("signature").write_bytes(b"\1" * 64)
    said = floto("sign", str(made.path), "--attach", "signature", "--public", "keys/shop.pub", code=2)
    assert "nothing was written" in said
    assert made.path.read_bytes() == before


@pytest.mark.parametrize("harm", ["cut", "index", "last page"])
def test_a_damaged_bundle_is_not_signed(floto: Run, harm: str) -> None:
    floto("keygen", "shop", "--no-passphrase")
    made, _ = unsigned_bundle()
    content = bytearray(made.path.read_bytes())
    if harm == "cut":
        del content[-1]
    else:
        content[-1 if harm == "last page" else 4096 + 8 + len(roots().read_bytes()) + 20] ^= 1
    made.path.write_bytes(content)
    floto("sign", str(made.path), "--key", "keys/shop.key", code=11)


def test_a_key_open_to_others_is_not_used(floto: Run) -> None:
    floto("keygen", "shop", "--no-passphrase")
    Path("keys/shop.key").chmod(0o644)
    assert "chmod go=" in floto("sign", str(roots()), "--key", "keys/shop.key", code=10)


def test_leave_to_go_back_is_for_one_bundle_at_one_site(floto: Run) -> None:
    floto("keygen", "shop", "--no-passphrase")
    made, trust = unsigned_bundle()
    words = ("authorise", "krakow.floto-permit", "--back-to", str(made.path), "--reason", "3 loses orders")
    assert "--site" in floto(*words, "--key", "keys/shop.key", code=2)
    assert "signed (shop), complete" in floto(*words, "--site", "krakow-1", "--key", "keys/shop.key")
    permitted = trust.permit(read_document(Path("krakow.floto-permit").read_bytes()), clock=int(time.time()))
    (permit,) = permitted.enrolments["shop"].memory.permits
    assert (permit.site, permit.index) == ("krakow-1", made.written.index_digest)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[revoked]", '[revoked]\n"{digest}" = "loses orders"', "the makers revoked the bundle: loses orders"),
        ('"stable" = 0', '"stable" = 99', "the lowest that counts is 99"),
        ('"stable" = 0', '"beta" = 0', "shop has no channel 'stable'"),
    ],
)
def test_no_site_may_go_back_to_what_the_makers_took_back(floto: Run, before: str, after: str, complaint: str) -> None:
    floto("keygen", "shop", "--no-passphrase")
    made, _ = unsigned_bundle()
    owners = Path("keys/root.toml")
    text = owners.read_text("utf-8").replace(before, after.format(digest=made.written.index_digest))
    owners.write_text(text, "utf-8")
    floto("root", "--key", "keys/shop.key")
    words = ("--back-to", str(made.path), "--site", "krakow-1", "--reason", "3 loses orders", "--key", "keys/shop.key")
    code = ExitCode.USAGE if "channel" in complaint else ExitCode.NOT_TRUSTED
    assert complaint in floto("authorise", "krakow.floto-permit", *words, code=code)
    assert not Path("krakow.floto-permit").exists()


CHALLENGE = words_of(digest_of(b"lost"))


def test_a_reset_is_for_the_challenge_that_was_told(floto: Run) -> None:
    floto("keygen", "shop", "--no-passphrase")
    short = " ".join(word[:4] for word in CHALLENGE.split())
    floto("authorise", "r", "--reset", short, "--at", "stable=3", "--reason", "disk", "--key", "keys/shop.key")
    reset = payload_of(read_document(Path("r").read_bytes()), Authorisation).reset
    assert reset == Reset(challenge=CHALLENGE, channels={"stable": 3})


def test_a_signature_that_counts_for_nothing_is_not_added(floto: Run) -> None:
    floto("keygen", "shop", "--no-passphrase")
    floto("keygen", "ann", "--key-only", "--no-passphrase")
    before = roots().read_bytes()
    assert "waits for: shop" in floto("sign", str(roots()), "--key", "keys/ann.key", code=2)
    assert roots().read_bytes() == before
    owners = Path("keys/root.toml")
    owners.write_text(owners.read_text("utf-8").replace('"stable" = 0', '"stable" = 1'), "utf-8")
    assert "waits for: shop" in floto("root", "--key", "keys/ann.key", code=2)
    assert not roots(2).exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--reset", "fence market"), "12 words"),
        (("--reset", " ".join(sorted(CHALLENGE.split()))), "do not belong together"),
        (("--reset", CHALLENGE, "--at", "stabel=3"), "It has: stable"),
        (("--reset", CHALLENGE, "--key", "keys/ann.key"), "ann.key is none of the keys that authorise for shop: shop"),
    ],
)
def test_what_no_site_could_use_is_not_authorised(floto: Run, words: tuple[str, ...], complaint: str) -> None:
    floto("keygen", "shop", "--no-passphrase")
    floto("keygen", "ann", "--key-only", "--no-passphrase")
    assert complaint in floto("authorise", "r", "--reason", "disk", "--key", "keys/shop.key", *words, code=2)
    assert not Path("r").exists()
