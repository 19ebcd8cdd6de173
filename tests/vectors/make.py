"""Makes the vectors that lie beside it: `python -m tests.vectors.make`. What is there stays; new ones are added.

The seed of a key is the SHA-256 of its name; `acme.root` names one of them.
"""

import io
import json
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from bundle_format.blob import Blob
from bundle_format.digest import digest_of
from bundle_format.layout.frames import FRAME, Frame, PackedFrame
from bundle_format.layout.index import Base
from bundle_format.layout.preamble import PAGE_SIZE
from bundle_format.progress import Silence
from bundle_format.release.model import Release
from bundle_format.store import Store
from bundle_format.trust.documents import write_documents
from bundle_format.trust.roots import Role, Roles, Root
from bundle_format.writer import Carried, Draft, Heading, carry, carry_bytes, draft_bundle, types_in
from tests.bundles import ISSUED, Shelved, key, make_release, noise, root_document
from tests.forge import Forgery, forgery_of_file
from tests.images import layer, make_image
from tests.vectors.faults import BOUNDS, CONTENT, LYING, TEXTS, UNSOUND

HERE = Path(__file__).parent
TOO_LARGE = ("of a gigabyte", "bomb that states no size", "a million deep", "nested objects", "a million digits")
"""Faults that are tried in memory alone."""


def signed(draft: Draft, *names: str) -> bytes:
    file = io.BytesIO()
    draft.signed(key(name).sign(draft.page.message) for name in names or ("acme",)).write(file, Silence())
    return file.getvalue()


class Maker:
    """The releases that vectors are made of."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "store")
        self.heading = Heading(channel="stable", sequence=1, issued=ISSUED)

    def draft(self, release: Release, *extra: Carried, heading: Heading | None = None, chain: bytes = b"") -> Draft:
        types = types_in(release)
        carried = [carry(self.store, digest, types[digest]) for digest in types]
        return draft_bundle(release, [*carried, *extra], heading or self.heading, [chain])

    def good(self) -> Iterator[tuple[str, bytes]]:
        plain = make_release(self.store, {"hello.txt": b"hello\n"}, {})
        yield "minimal", signed(self.draft(plain))
        image = make_image(Shelved(self.store), "shop/web:1", [layer({"etc/motd": b"hello\n"}), layer({"www": b"x"})])
        yield "image", signed(self.draft(make_release(self.store, {}, {"web": image})))
        frames = {"empty": b"", "one.bin": noise(1, 3000), "three.bin": bytes(2 * FRAME + 1)}
        yield "frames", signed(self.draft(make_release(self.store, frames, {})))
        yield "two-signatures", signed(self.draft(plain), "acme", "border")
        sbom = carry_bytes(b"{}", "attestation")
        full = replace(
            self.heading,
            expires=ISSUED + 1,
            architectures=("linux/amd64",),
            agent="1.2",
            sites=("krakow-1",),
            attestations={"sbom": sbom.blob.digest},
        )
        yield "every-field", signed(self.draft(plain, sbom, heading=full))
        yield "delta", signed(self.draft(plain, *self.told(), heading=replace(self.heading, bases=(self.base(),))))
        yield (
            "root-2",
            signed(self.draft(plain, chain=rotation(), heading=replace(self.heading, minimum_root=2)), "heir"),
        )

    def told(self) -> tuple[Carried, Carried]:
        """A blob at the site, and one told as a patch: a segment that refers to nothing."""
        content = b"what the site can rebuild"
        raw = (
            bytes.fromhex("28b52ffd20")
            + bytes([len(content)])
            + (len(content) << 3 | 1).to_bytes(3, "little")
            + content
        )
        segment = struct.pack("<III", 0x184D2A5D, len(raw) + 4, 0) + raw
        frame = Frame(len(segment), len(content), sha256(segment).digest())
        patched = Carried(
            Blob(digest_of(content), len(content)),
            "file",
            (frame,),
            lambda: iter([PackedFrame(frame, segment)]),
            "patch",
            digest_of(b"held"),
        )
        return Carried(Blob(digest_of(b"held"), 4), "file", at="site"), patched

    def base(self) -> Base:
        return Base(release="0", sequence=0, index=digest_of(b"index"), blobs=(digest_of(b"held"),))

    def lying(self) -> Iterator[tuple[str, bytes]]:
        release = make_release(self.store, {"hello.txt": b"hello\n"}, {})
        for fault, (stored, raw) in LYING.items():
            frame = Frame(len(stored), raw, sha256(stored).digest())
            packed = PackedFrame(frame, stored)
            liar = Carried(Blob(digest_of(CONTENT), raw), "file", (frame,), lambda packed=packed: iter([packed]))
            yield f"frame-{fault}", signed(self.draft(release, liar))


def rotation() -> bytes:
    """Root document 2, in which the key `heir` takes the place of `acme`."""
    role = Role(keys=("heir",), threshold=1)
    root = Root(
        product="shop",
        version=2,
        issued=ISSUED,
        keys={"heir": key("heir").public.raw.hex()},
        roles=Roles(root=role, release=role, authorise=role),
        channels={"stable": 0},
    )
    document = root.to_document()
    for name in ("acme", "heir"):
        document = document.signed(key(name).sign(document.message))
    return write_documents([document])


def flipped(file: bytes, *offsets: int) -> bytes:
    content = bytearray(file)
    for offset in offsets:
        content[offset] ^= 1
    return bytes(content)


def damaged(file: bytes, good: Forgery) -> Iterator[tuple[str, bytes]]:
    """What sticks, couriers and editors do to a good bundle of one frame a blob."""
    end, page = len(file), good.page
    mirror = page.mirror_offset - PAGE_SIZE
    yield "page-first-damaged", flipped(file, 40)
    yield "page-last-damaged", flipped(file, end - PAGE_SIZE + 40)
    yield "page-both-damaged", flipped(file, 40, end - PAGE_SIZE + 40)
    yield "page-slot-damaged", flipped(file, 350)
    yield "page-stray-byte-after-the-slots", flipped(file, 4000)
    for name, offset in (("index", page.index_offset), ("table", page.table_offset)):
        yield f"{name}-damaged", flipped(file, offset + 20)
        yield f"{name}-and-mirror-damaged", flipped(file, offset + 20, offset + 20 + mirror)
        yield f"{name}-mirror-damaged", flipped(file, offset + 20 + mirror)
    yield "tar-header-damaged", flipped(file, page.payload_offset + 30)
    yield "frame-damaged", flipped(file, page.payload_offset + 600)
    yield "tar-end-damaged", flipped(file, page.mirror_offset - 20)
    yield "cut-short", file[:-1]
    yield "cut-in-the-payload", file[: page.payload_offset + 700]
    yield "appended", file + b"\0"
    yield "empty", b""
    yield "no-bundle", b"PK\3\4" + bytes(5000)


def dishonest(good: Forgery) -> Iterator[tuple[str, str, bytes]]:
    """Verdict, name and file of what was signed although it is not right."""
    yield "good", "minor-version-7", good.with_signed_bytes(18, b"\7\0")
    yield "good", "compatible-features", good.with_signed_bytes(32, b"\xff" * 8)
    yield "unsupported", "major-version-2", good.with_signed_bytes(16, b"\2\0")
    yield "unsupported", "kind-2", good.with_signed_bytes(20, b"\2\0\0\0")
    yield "unsupported", "incompatible-feature", good.with_signed_bytes(24, b"\1")
    yield "damaged", "kind-delta-with-every-blob", good.with_signed_bytes(20, b"\1\0\0\0")
    yield "damaged", "page-stray-byte", good.with_signed_bytes(192, b"\1")
    yield "damaged", "page-stray-byte-in-the-numbers", good.with_signed_bytes(124, b"\1")
    yield "untrusted", "signed-by-a-stranger", good.to_bytes(key("mallory"))
    yield "untrusted", "another-channel", good.to_bytes(channel_id=bytes(32))
    yield "untrusted", "root-3-wanted", good.to_bytes(minimum_root=3)
    for fault, fields in BOUNDS.items():
        yield "damaged", f"page-{fault}", good.to_bytes(**fields)
    for fault, change in UNSOUND.items():
        yield "damaged", f"index-{fault}", change(good).to_bytes()
    for fault, spoil in TEXTS.items():
        yield "damaged", f"index-text-{fault}", replace(good, index=spoil(good.index)).to_bytes()


def slots(file: bytes) -> Iterator[tuple[str, str, bytes]]:
    """What can be wrong with signatures, on both pages alike; the file has two of them."""
    one, two, none = file[256:384], file[384:512], bytes(128)
    wrong = one[:64] + bytes([one[64] ^ 1]) + one[65:]
    for verdict, name, content in (
        ("untrusted", "unsigned", none + none),
        ("untrusted", "bad-signature", wrong + two),
        ("damaged", "slots-out-of-order", two + one),
        ("damaged", "slots-one-key-twice", one + one),
        ("damaged", "slots-a-gap", none + one),
        ("damaged", "slots-unknown-algorithm", b"\2" + one[1:] + two),
    ):
        yield verdict, name, file[:256] + content + file[512 : -PAGE_SIZE + 256] + content + file[-PAGE_SIZE + 512 :]


def all_vectors() -> Iterator[tuple[str, str, bytes]]:
    """Verdict, name and bytes of every vector."""
    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(Path(folder))
        good = dict(maker.good())
        yield from (("good", name, file) for name, file in good.items())
        forgery = forgery_of_file(good["minimal"], root_document("acme"))
        yield from (("damaged", name, file) for name, file in damaged(good["minimal"], forgery))
        yield from (("damaged", name, file) for name, file in maker.lying())
        yield from dishonest(forgery)
        yield from slots(good["two-signatures"])


def main() -> None:
    """Write every vector that is not there yet, and the list of verdicts."""
    verdicts = {}
    for verdict, name, file in all_vectors():
        if name.endswith(TOO_LARGE):
            continue
        path = HERE / f"{name.replace(' ', '-')}.floto"
        verdicts[path.name] = verdict
        if not path.exists():
            path.write_bytes(file)
    (HERE / "acme.root").write_bytes(root_document("acme").to_bytes())
    (HERE / "verdicts.json").write_text(json.dumps(verdicts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
