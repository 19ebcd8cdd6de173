"""Images into a real engine: hostile ones, interrupted ones, large ones, and what travels."""

import contextlib
import io
import random
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from agent.state import chain_ids
from agent.targets.archive import image_archive
from agent.targets.docker.engine import DockerEngine
from agent.targets.docker.loading import Loader, image_ids
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import DamageError, FlotoError, TargetError
from bundle_format.progress import Silence
from bundle_format.release.deployment import Access
from bundle_format.release.model import Image
from tests.contracts.labs import BASE, OWNER, RealLab, labels, small_image, web
from tests.engines import PrivateEngine, each_kind, made_engine, missing
from tests.images import Shelf, layer, make_image

KILLS = 6
HOSTILE = ("../../etc/cron.d/x", "/etc/passwd", "a\0b", "latest", "library/nginx:latest", "x" * 300, "\x1b[2J", "C:\\x")


def members(image: Image, shelf: Shelf, layers: tuple[Digest, ...], *, layout: bool = True) -> dict[str, bytes]:
    stream = io.BytesIO(b"".join(image_archive(image, shelf, layers, layout=layout)))
    with tarfile.open(fileobj=stream) as archive:
        found = archive.getmembers()
        assert all(member.isreg() for member in found)
        return {member.name: archive.extractfile(member).read() for member in found}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", HOSTILE)
def test_threat_20_no_name_from_a_release_reaches_an_archive(shelf: Shelf, name: str) -> None:
    content = layer({name.strip("/").replace("\0", ""): b"x"})
    image = make_image(shelf, "shop/web:1", [content], Labels={name: name}).model_copy(update={"tag": name})

    written = members(image, shelf, image.layers)

    place = re.compile(r"blobs/sha256/[0-9a-f]{64}|manifest\.json|index\.json|oci-layout")
    assert all(place.fullmatch(member) for member in written)
    assert all(
        member.removeprefix("blobs/sha256/") == digest_of(content).removeprefix("sha256:")
        for member, content in written.items()
        if member.startswith("blobs/")
    )


@pytest.mark.engine
def test_threat_20_a_layer_that_climbs_out_stays_in(lab: RealLab, shelf: Shelf) -> None:
    climbing = io.BytesIO()
    outside = lab.private.folder / "climbed"
    with tarfile.open(fileobj=climbing, mode="w") as archive:
        for name in (f"../../../../../../../..{outside}", str(outside)):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
        member = tarfile.TarInfo("srv/link")
        member.type, member.linkname = tarfile.SYMTYPE, str(lab.private.folder)
        archive.addfile(member)
        member = tarfile.TarInfo("srv/link/climbed")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    image = make_image(shelf, "shop/web:1", [BASE, climbing.getvalue()], Cmd=["sleep"])

    with contextlib.suppress(TargetError):
        lab.engine().load_images([image], shelf, Silence())

    assert not outside.exists()


@pytest.mark.engine
class TestThreat21:
    def test_threat_21_a_configuration_that_names_other_layers_is_refused(self, lab: RealLab, shelf: Shelf) -> None:
        honest = small_image(shelf)
        forged = honest.model_copy(update={"layers": (honest.layers[0],)})

        with pytest.raises(DamageError, match="other layers"):
            lab.engine().load_images([forged], shelf, Silence())

        assert lab.engine().observe().images == ()

    def test_threat_21_a_manifest_that_names_other_blobs_is_refused(self, shelf: Shelf) -> None:
        one, other = small_image(shelf, "shop/web:1"), small_image(shelf, "shop/web:2")
        forged = one.model_copy(update={"manifest": other.manifest})

        with pytest.raises(DamageError, match="other blobs"):
            list(image_archive(forged, shelf, forged.layers, layout=True))

    def test_threat_21_documents_that_are_none_are_refused(self, shelf: Shelf) -> None:
        for content in (b"[]", b"\xff", b"[" * 100_000, b'{"rootfs": 7}', b"null"):
            forged = small_image(shelf).model_copy(update={"config": shelf.put(content)})
            with pytest.raises(DamageError):
                list(image_archive(forged, shelf, forged.layers, layout=False))
        changed = small_image(shelf)
        shelf.lie(changed.config, b"{}")
        with pytest.raises(DamageError):
            list(image_archive(changed, shelf, changed.layers, layout=False))

    def test_threat_21_no_tag_moves(self, lab: RealLab, shelf: Shelf) -> None:
        theirs = lab.add_foreign("theirs")
        lab.private.docker("tag", "foreign:1", "shop/web:latest")
        before = lab.private.docker("images", "--no-trunc", "--quiet", "shop/web:latest")
        image = small_image(shelf, "shop/web:latest")

        lab.engine().load_images([image], shelf, Silence())

        assert lab.private.docker("images", "--no-trunc", "--quiet", "shop/web:latest") == before
        assert theirs in lab.private.docker("ps", "--quiet", "--no-trunc")


@pytest.fixture
def classic(lab: RealLab) -> RealLab:
    if lab.engine().observe().facts.store != "classic":
        pytest.skip("a containerd store gets whole images one by one")
    return lab


@pytest.mark.engine
class TestWhatTravels:
    def test_only_layers_above_the_last_one_that_is_held(self, classic: RealLab, shelf: Shelf) -> None:
        engine = classic.engine()
        engine.load_images([small_image(shelf, "shop/web:1")], shelf, Silence())
        newer = small_image(shelf, "shop/web:2")
        shelf.opened.clear()

        engine.load_images([newer], shelf, Silence())

        assert shelf.opened == [newer.config, newer.layers[1]]

    def test_all_layers_above_a_new_base(self, classic: RealLab, shelf: Shelf) -> None:
        engine, top = classic.engine(), layer({"srv/www/tag": b"same"})
        engine.load_images([make_image(shelf, "shop/web:1", [BASE, top], Cmd=["x"])], shelf, Silence())
        rebased = make_image(shelf, "shop/web:2", [layer({"etc/new": b"base"}), BASE, top], Cmd=["x"])
        shelf.opened.clear()

        engine.load_images([rebased], shelf, Silence())

        assert set(rebased.layers) <= set(shelf.opened)

    def test_everything_where_the_engine_lost_what_it_was_thought_to_hold(self, classic: RealLab, shelf: Shelf) -> None:
        engine, image = classic.engine(), small_image(shelf)
        assert isinstance(engine, DockerEngine)
        loader = Loader(engine._connection, "classic", shelf, Silence())

        loader.load(image, frozenset(chain_ids(image.layers)[:1]))

        assert image_ids(engine._connection, [image]) == {image.config: image.config}

    def test_progress_counts_each_byte_sent_and_unpacked(self, lab: RealLab, shelf: Shelf) -> None:
        image, counting = small_image(shelf), Counting()

        lab.engine().load_images([image], shelf, counting)

        assert counting.counts == {
            "send shop/web:1 to one": [image.size, image.size],
            "unpack shop/web:1 to one": [image.size, image.size],
        }


class Counting:
    """A Progress that keeps the size of each task, what was done of it, and how many were open at once."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int | None]] = {}
        self.most = 0
        self._open: list[str] = []

    @contextlib.contextmanager
    def task(self, what: str, total: int | None = None) -> Iterator["CountingTask"]:
        self.counts[what] = [total, 0]
        self._open.append(what)
        self.most = max(self.most, sum(name.startswith("send") for name in self._open))
        yield CountingTask(self.counts[what])
        self._open.remove(what)

    def note(self, line: str) -> None: ...


class CountingTask:
    def __init__(self, count: list[int | None]) -> None:
        self._count = count

    def advance(self, amount: int) -> None:
        self._count[1] = (self._count[1] or 0) + amount


HUGE = """
import hashlib, io, sys, tarfile
from agent.labels import Owner
from agent.targets.docker.engine import DockerEngine
from bundle_format.digest import Digest
from bundle_format.progress import Silence
from bundle_format.release.deployment import Access
from tests.images import Shelf, image_of
from tests.memory import peak_memory

SIZE = 512 << 20
member = tarfile.TarInfo("zeros")
member.size = SIZE

class Layer(io.RawIOBase):
    def __init__(self):
        self.head, self.left = member.tobuf(tarfile.GNU_FORMAT), SIZE + 1024
    def read(self, size=-1):
        if self.head:
            piece, self.head = self.head, b""
        else:
            piece = bytes(min(size, self.left))
            self.left -= len(piece)
        return piece

class Blobs(Shelf):
    def size(self, digest):
        return 512 + SIZE + 1024 if digest == huge else super().size(digest)
    def open(self, digest):
        return Layer() if digest == huge else super().open(digest)

hasher, layer = hashlib.sha256(), Layer()
while piece := layer.read(1 << 20):
    hasher.update(piece)
huge = Digest("sha256:" + hasher.hexdigest())
shelf = Blobs()
shelf._blobs[huge] = b""
image = image_of(shelf, "shop/huge:1", [huge], 512 + SIZE + 1024, Cmd=["x"])
engine = DockerEngine("one", Access(engine=sys.argv[1]), Owner("a", "b"))
before = peak_memory()
[held] = engine.load_images([image], shelf, Silence()).values()
assert engine.check_image(held)
print(peak_memory() - before)
"""


@pytest.mark.engine
def test_memory_stays_flat_however_large_a_layer_is(lab: RealLab) -> None:
    told = subprocess.run(
        [sys.executable, "-c", HUGE, lab.private.address], capture_output=True, text=True, check=False
    )

    assert told.returncode == 0, told.stderr
    assert int(told.stdout) < 32 << 20


@pytest.mark.engine
@pytest.mark.parametrize("kind", each_kind())
def test_threat_23_an_engine_killed_while_it_loads_has_an_image_whole_or_not_at_all(kind: str) -> None:
    shelf, chance = Shelf(), random.Random(23)
    filler = [layer({f"srv/{number}": chance.randbytes(24 << 20)}) for number in range(2)]
    image = make_image(shelf, "shop/web:1", [BASE, *filler], Cmd=["sleep", "infinity"])
    with made_engine(kind) as private:
        for _ in range(KILLS):
            with closing(reach(private)) as engine:
                killer = threading.Timer(chance.uniform(0.02, 0.6), private.kill)
                killer.start()
                with contextlib.suppress(FlotoError):
                    engine.load_images([image], shelf, Silence())
                killer.join()
            private.start()
            with closing(reach(private)) as engine:
                held = engine.observe().image_id(image)
                assert held is None or engine.check_image(held)
                [held] = engine.load_images([image], shelf, Silence()).values()
                assert engine.check_image(held)
                engine.create_container(web(), "web", labels(), held)
                engine.remove("web")
                engine.remove_image(held, [])


def reach(private: PrivateEngine) -> DockerEngine:
    return DockerEngine("one", Access(engine=private.address), OWNER)


@pytest.mark.engine
def test_threat_23_a_rotten_layer_is_found_and_loading_anew_mends_it(lab: RealLab, shelf: Shelf) -> None:
    engine, image = lab.engine(), small_image(shelf)
    [held] = engine.load_images([image], shelf, Silence()).values()
    lab.damage(held)
    assert not engine.check_image(held)
    engine.load_images([image], shelf, Silence())
    assert not engine.check_image(held)

    engine.remove_image(held, [])
    engine.load_images([image], shelf, Silence())

    assert engine.check_image(held)


@pytest.mark.engine
def test_a_full_disk_ends_a_load_cleanly(shelf: Shelf) -> None:
    if why := missing():
        pytest.skip(why)
    big = make_image(shelf, "shop/big:1", [BASE, layer({"srv/x": random.Random(1).randbytes(64 << 20)})], Cmd=["x"])
    small = small_image(shelf)
    with PrivateEngine(room=96 << 20) as private:
        engine = reach(private)
        engine.load_images([small], shelf, Silence())
        before = engine.observe()
        assert before.space and before.space.total <= 96 << 20

        with pytest.raises(TargetError, match="no space left") as caught:
            engine.load_images([big], shelf, Silence())

        assert "make room" in caught.value.hint
        after = engine.observe()
        assert after.images == before.images
        engine.create_container(web(), "web", labels(), small.config)
        engine.start("web")
        engine.close()


@pytest.mark.engine
def test_several_images_load_at_the_same_time(classic: RealLab, shelf: Shelf) -> None:
    chance = random.Random(3)
    images = [
        make_image(shelf, f"shop/{name}:1", [BASE, layer({name: chance.randbytes(8 << 20)})], Cmd=["x"])
        for name in ("web", "api", "db", "jobs")
    ]
    counting = Counting()

    held = classic.engine().load_images(images, shelf, counting)

    assert len(held) == 4
    assert 1 < counting.most <= 3
    assert shelf.opened.count(images[0].layers[0]) == 1
