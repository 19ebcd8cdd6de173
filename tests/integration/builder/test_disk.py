"""Machine images of every kind become the raw disk that they mean; what is damaged or refers elsewhere is refused."""

import hashlib
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from builder.child import Child
from builder.sources.disk import Disks
from bundle_format.digest import digest_of
from bundle_format.errors import DefinitionError
from bundle_format.progress import Silence
from bundle_format.release.model import File
from bundle_format.store import Store

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="not installed: qemu-utils (Debian package)")

RAW = random.Random(5).randbytes(200_000).ljust(8 << 20, b"\0")
OVF = """<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>
<File ovf:id="f1" ovf:href="{0}"/></References><DiskSection><Disk ovf:diskId="d1" ovf:fileRef="f1"/></DiskSection>
</Envelope>"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "store")
        said: list[str] = []
        child = Child(folder, {"PATH": "/usr/bin:/bin"}, said.append, Silence())
        self.disks = Disks(self.store, folder / "scratch", child, said)
        (folder / "disk.raw").write_bytes(RAW)

    def convert(self, name: str, kind: str, *options: str) -> Path:
        place = self.folder / name
        subprocess.run(
            ["qemu-img", "convert", "-f", "raw", "-O", kind, *options, self.folder / "disk.raw", place], check=True
        )
        return place

    def vmdk(self) -> Path:
        return self.convert("disk.vmdk", "vmdk", "-o", "subformat=streamOptimized")

    def ovf(self, name: str = "disk.vmdk", manifest: str | None = None) -> Path:
        place = self.folder / "machine.ovf"
        place.write_text(OVF.format(name), encoding="utf-8")
        if manifest is not None:
            (self.folder / "machine.mf").write_text(f"SHA256(disk.vmdk)= {manifest}\n", encoding="ascii")
        return place

    def ova(self, *names: str) -> Path:
        place = self.folder / "machine.ova"
        with tarfile.open(place, "w") as tar:
            for name in names:
                tar.add(self.folder / name, name)
        return place


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def whole(bench: Bench, image: Path) -> None:
    assert bench.disks.keep(image) == File(digest=digest_of(RAW), size=len(RAW))
    assert list((bench.folder / "scratch").iterdir()) == []


def test_disks_of_every_kind_are_the_same_raw_disk(bench: Bench) -> None:
    whole(bench, bench.folder / "disk.raw")
    whole(bench, bench.convert("disk.qcow2", "qcow2"))
    whole(bench, bench.convert("small.qcow2", "qcow2", "-c"))
    whole(bench, bench.vmdk())
    whole(bench, bench.convert("flat.vmdk", "vmdk", "-o", "subformat=monolithicFlat"))


def test_an_ova_and_an_ovf_are_the_disk_in_them(bench: Bench) -> None:
    digits = hashlib.sha256(bench.vmdk().read_bytes()).hexdigest()
    whole(bench, bench.ovf(manifest=digits))
    whole(bench, bench.ova("machine.ovf", "machine.mf", "disk.vmdk"))


def test_a_disk_that_is_not_what_its_manifest_says_is_refused(bench: Bench) -> None:
    bench.vmdk()
    bench.ovf(manifest="0" * 64)
    for image in (bench.folder / "machine.ovf", bench.ova("machine.ovf", "machine.mf", "disk.vmdk")):
        with pytest.raises(DefinitionError, match=r"disk\.vmdk is not what machine\.mf says"):
            bench.disks.keep(image)


def test_a_damaged_qcow2_is_refused(bench: Bench) -> None:
    place = bench.convert("disk.qcow2", "qcow2")
    content = bytearray(place.read_bytes())
    content[0x30000:0x30010] = b"\xff" * 16
    place.write_bytes(content)
    with pytest.raises(DefinitionError, match=r"disk\.qcow2"):
        bench.disks.keep(place)


def test_a_disk_that_refers_to_other_files_is_refused(bench: Bench) -> None:
    (bench.folder / "secret").write_bytes(b"secret" * 1000)
    place = bench.folder / "leaf.qcow2"
    base = ["-b", bench.folder / "secret", "-F", "raw"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, place, "1M"], check=True)
    with pytest.raises(DefinitionError, match="refers to other files"):
        bench.disks.keep(place)
    descriptor = bench.convert("flat.vmdk", "vmdk", "-o", "subformat=monolithicFlat")
    outside = bench.folder / "outside"
    outside.mkdir()
    (bench.folder / "flat-flat.vmdk").rename(outside / "flat-flat.vmdk")
    text = descriptor.read_text(encoding="utf-8").replace("flat-flat.vmdk", str(outside / "flat-flat.vmdk"))
    descriptor.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match="refers to other files"):
        bench.disks.keep(descriptor)


def test_threat_20_an_ova_stays_in_its_folder(bench: Bench) -> None:
    bench.vmdk()
    bench.ovf("../disk.vmdk")
    with pytest.raises(DefinitionError, match="does not lie beside"):
        bench.disks.keep(bench.folder / "machine.ovf")
    with tarfile.open(bench.folder / "evil.ova", "w") as tar:
        tar.add(bench.folder / "disk.vmdk", "../evil.vmdk")
    with pytest.raises(DefinitionError, match="no plain file"):
        bench.disks.keep(bench.folder / "evil.ova")


@pytest.mark.parametrize("name", ["odd.raw", "text.vmdk", "text.qcow2", "text.ova", "text.ovf"])
def test_what_is_no_disk_is_told(bench: Bench, name: str) -> None:
    (bench.folder / name).write_bytes(b"no disk at all")
    with pytest.raises(DefinitionError, match=name):
        bench.disks.keep(bench.folder / name)
