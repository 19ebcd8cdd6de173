"""Bundles from end to end: what was written is read again, by us, by zstd and by tar, always as the same bytes."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from bundle_format.digest import digest_of, hex_of
from bundle_format.errors import DamageError, FlotoError, MissingError, UnknownKeyError
from bundle_format.layout.frames import CODEC, FRAME
from bundle_format.layout.medium import PipeMedium
from bundle_format.layout.members import header
from bundle_format.progress import Silence
from bundle_format.reader import open_bundle, open_pipe
from bundle_format.store import Store
from bundle_format.trust.trust import trust_in
from bundle_format.writer import Heading, draft_bundle, types_in, write_bundle
from tests.bundles import ISSUED, Made, key, make_bundle, noise, root_document
from tests.images import layer

BIG = noise(7, FRAME + 1000) + b"text " * 2_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    files = {"empty": b"", "small.conf": b"listen 80;\n", "big.bin": BIG}
    return make_bundle(tmp_path_factory.mktemp("bundle"), files, chain=(root_document("acme"),))


def test_every_blob_comes_out_as_it_went_in(made: Made) -> None:
    with open_bundle(made.path, made.trust) as bundle:
        assert bundle.release == made.release
        assert bundle.signers.names == ("acme",)
        assert bundle.index.codec == CODEC
        for digest in made.blobs:
            with bundle.open_blob(digest) as blob, made.store.open(digest) as original:
                assert blob.read() == original.read()
        assert bundle.verify(Silence()) == []


def test_the_definition_comes_first_and_layers_last(made: Made) -> None:
    with open_bundle(made.path, made.trust) as bundle:
        types = [entry.type for entry in bundle.index.blobs]
    assert types == ["release", "oci-layout", "oci-index", "docker-manifest", "source"] + ["file"] * 3 + [
        "manifest",
        "config",
        "layer",
    ]


def test_ranges_are_read_without_the_rest(made: Made) -> None:
    with open_bundle(made.path, made.trust) as bundle:
        blob = bundle.blob(digest_of(BIG))
        for offset, length in ((0, 10), (FRAME - 5, 10), (len(BIG) - 3, 3), (100, 0)):
            assert blob.read_at(offset, length) == BIG[offset : offset + length]


def test_staging_copies_the_frames(made: Made, tmp_path: Path) -> None:
    site = Store(tmp_path / "site")
    with open_bundle(made.path, made.trust) as bundle:
        for entry in bundle.index.blobs:
            site.add_frames(bundle.blob(entry.digest).blob, bundle.frames(entry.digest), bundle.index.codec)
        assert set(site) == set(bundle.entries)
    assert site.read_bytes(digest_of(BIG)) == BIG


def test_a_pipe_is_read_in_one_pass(made: Made, tmp_path: Path) -> None:
    site = Store(tmp_path / "site")
    with subprocess.Popen(["cat", made.path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with open_pipe(process.stdout, made.trust) as bundle:
            for entry in bundle.index.blobs:
                site.add_frames(bundle.blob(entry.digest).blob, bundle.frames(entry.digest), bundle.index.codec)
            assert bundle.release == made.release
        process.stdout.read()
    assert site.read_bytes(digest_of(BIG)) == BIG


def test_a_pipe_gives_its_beginning_again_and_nothing_else() -> None:
    pipe = PipeMedium(io.BytesIO(bytes(range(200))), "the pipe", keep=50)
    assert pipe.read_at(60, 20) == bytes(range(60, 80))
    assert pipe.read_at(10, 40) == bytes(range(10, 50))
    assert pipe.read_at(190, 20) == bytes(range(190, 200))
    for offset, length in ((40, 11), (50, 1), (185, 5)):
        with pytest.raises(MissingError, match="went by already"):
            pipe.read_at(offset, length)


def test_a_pipe_is_verified_to_its_end(made: Made) -> None:
    with open_pipe(io.BytesIO(made.path.read_bytes()), made.trust) as bundle:
        assert bundle.verify(Silence()) == []
    with open_pipe(io.BytesIO(made.path.read_bytes() + b"x"), made.trust) as bundle:
        (surplus,) = bundle.verify(Silence())
        assert "surplus" in surplus.what
    with open_pipe(io.BytesIO(made.path.read_bytes()[:-1]), made.trust) as bundle:
        (cut,) = bundle.verify(Silence())
        assert cut.what == "mirror of the header page"


def test_a_bundle_is_written_to_a_pipe_as_to_a_file(made: Made) -> None:
    class Forward(io.BytesIO):
        def seek(self, *_: int) -> int:
            raise OSError("a pipe does not seek")

    pipe = Forward()
    draft = _draft(made)
    draft.signed([key("acme").sign(draft.page.message)]).write(pipe, Silence())
    assert pipe.getvalue() == made.path.read_bytes()


def _draft(made: Made):  # type: ignore[no-untyped-def]
    from bundle_format.writer import carry

    types = types_in(made.release)
    carried = [carry(made.store, digest, types[digest]) for digest in made.blobs]
    heading = Heading(channel="stable", sequence=1, issued=ISSUED)
    return draft_bundle(made.release, carried, heading, [root_document("acme").to_bytes()])


def test_the_same_inputs_make_the_same_bytes(made: Made, tmp_path: Path) -> None:
    files = {"empty": b"", "small.conf": b"listen 80;\n", "big.bin": BIG}
    before = os.umask(0o077)
    try:
        again = make_bundle(tmp_path, files, chain=(root_document("acme"),))
    finally:
        os.umask(before)
    assert again.path.read_bytes() == made.path.read_bytes()
    assert again.written.index_digest == made.written.index_digest


def test_zstd_accepts_the_file_and_tar_lists_an_oci_layout(made: Made, tmp_path: Path) -> None:
    subprocess.run(["zstd", "-q", "-t", made.path], check=True)
    listed = subprocess.run(["tar", "--zstd", "-tf", made.path], check=True, capture_output=True, text=True)
    assert listed.stderr == ""
    names = listed.stdout.split()
    image = made.release.images["web"]
    assert {"oci-layout", "index.json", "manifest.json"} <= set(names)
    assert {f"blobs/sha256/{hex_of(digest)}" for digest in (image.manifest, image.config, *image.layers)} <= set(names)
    subprocess.run(["tar", "--zstd", "-xf", made.path, "-C", tmp_path], check=True)
    for member in (tmp_path / "blobs" / "sha256").iterdir():
        assert digest_of(member.read_bytes()) == f"sha256:{member.name}"
    (described,) = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert described["digest"] == image.manifest
    (archived,) = json.loads((tmp_path / "manifest.json").read_text())
    assert archived["RepoTags"] == ["shop/web:1"]


@pytest.mark.parametrize("size", [0, 1, 8**11 - 1, 8**11, 2**40])
def test_tar_headers_are_read_by_others(size: int) -> None:
    member = tarfile.TarInfo.frombuf(header("blobs/sha256/" + "a" * 64, size), "utf-8", "strict")
    assert (member.name, member.size, member.mode) == ("blobs/sha256/" + "a" * 64, size, 0o644)


def test_a_release_with_a_blob_missing_is_not_written(made: Made, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=digest_of(BIG)):
        write_bundle(
            tmp_path / "x.floto",
            made.release,
            [digest for digest in made.blobs if digest != digest_of(BIG)],
            made.store,
            header=Heading(channel="stable", sequence=1, issued=ISSUED),
            signers=[key("acme")],
            root_chain=[],
            progress=Silence(),
        )
    assert list(tmp_path.iterdir()) == []


def test_threat_04_unsigned_or_signed_by_a_stranger(tmp_path: Path) -> None:
    made = make_bundle(tmp_path, signer="mallory")
    with pytest.raises(UnknownKeyError):
        open_bundle(made.path, made.trust)
    with pytest.raises(UnknownKeyError):
        open_bundle(make_bundle(tmp_path).path, trust_in(root_document("other", product="other")))


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path, made: Made) -> None:
    for content in (b"", b"x", b"hello" * 5000):
        (tmp_path / "x.floto").write_bytes(content)
        with pytest.raises(DamageError, match="no bundle"):
            open_bundle(tmp_path / "x.floto", made.trust)
    with pytest.raises(MissingError, match="does not exist"):
        open_bundle(tmp_path / "nowhere.floto", made.trust)
    (tmp_path / "x.floto").unlink()
    with pytest.raises(MissingError, match="no bundle is in"):
        open_bundle(tmp_path, made.trust)
    os.mkfifo(tmp_path / "pipe.floto")
    with pytest.raises(FlotoError, match="no regular file"):
        open_bundle(tmp_path / "pipe.floto", made.trust)
    (tmp_path / "link.floto").symlink_to(made.path)
    with pytest.raises(FlotoError, match="symbolic link"):
        open_bundle(tmp_path / "link.floto", made.trust)


def test_a_layer_with_many_frames_survives(tmp_path: Path) -> None:
    content = layer({f"file{number}": noise(number, 3_000_000) for number in range(6)})
    made = make_bundle(tmp_path, layers=(content, layer({"small": b"x"})))
    with open_bundle(made.path, made.trust, threads=2) as bundle, bundle.open_blob(digest_of(content)) as stream:
        assert stream.read() == content
