"""Machine images of every kind become the raw disk that they mean; what is damaged or refers elsewhere is refused."""

import hashlib
import random
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from builder.attestations.disks import packages_on
from builder.attestations.packages import Package
from builder.attestations.scan import Contents
from builder.sources.machines.disk import Disks
from builder.work.child import Child
from bundle_format.errors import DefinitionError
from bundle_format.progress import Silence

pytestmark = pytest.mark.skipif(not shutil.which("qemu-img"), reason="not installed: qemu-utils (Debian package)")

RAW = random.Random(5).randbytes(200_000).ljust(8 << 20, b"\0")
OVF = """<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>
<File ovf:id="f1" ovf:href="{0}"/></References><DiskSection><Disk ovf:diskId="d1" ovf:fileRef="f1"/></DiskSection>
</Envelope>"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        said: list[str] = []
        child = Child(folder, {"PATH": "/usr/bin:/bin"}, said.append, Silence())
        self.disks = Disks(folder / "scratch", child, said)
        (folder / "disk.raw").write_bytes(RAW)

    def raw(self, image: Path) -> bytes:
        with self.disks.raw(image) as raw:
            return raw.read_bytes()

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
    assert bench.raw(image) == RAW
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


@pytest.mark.skipif(not (shutil.which("mke2fs") and shutil.which("debugfs")), reason="not installed: e2fsprogs")
@pytest.mark.parametrize("table", ["mbr", "gpt", "none"])
def test_the_packages_on_a_disk_are_found(tmp_path: Path, table: str) -> None:
    status = tmp_path / "root" / "var" / "lib" / "dpkg" / "status"
    status.parent.mkdir(parents=True)
    status.write_text("Package: libc6\nStatus: install ok installed\nVersion: 2.36\n", encoding="utf-8")
    (tmp_path / "root" / "etc").mkdir()
    (tmp_path / "root" / "etc" / "os-release").write_text("ID=debian\nVERSION_ID=12\n", encoding="utf-8")
    start, raw = (0 if table == "none" else 1 << 20), tmp_path / "disk.raw"
    raw.write_bytes(bytes(start))
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-E", f"offset={start}", "-d", tmp_path / "root", raw, "8M"]
    subprocess.run(command, check=True)
    with raw.open("r+b") as disk:
        if table != "none":
            disk.seek(446)
            disk.write(struct.pack("<4xB3xII", 0xEE if table == "gpt" else 0x83, 2048, 16384))
            disk.seek(510)
            disk.write(b"\x55\xaa")
        if table == "gpt":
            disk.write(struct.pack("<8s64xQII", b"EFI PART", 2, 2, 128))
            disk.seek(1024)
            disk.write(struct.pack("<16s16sQQ", b"linux file sys..", b"u" * 16, 2048, 18431))
    found = packages_on(raw, {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    assert found == Contents((Package("deb", "debian", "libc6", "2.36", distribution="debian-12"),), ())


def test_a_disk_of_another_kind_is_told_as_unread(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(bytes(1 << 20))
    assert packages_on(tmp_path / "disk.raw", {}) == Contents((), ("partition 1 (no ext file system)",))


def test_a_disk_that_is_not_what_its_manifest_says_is_refused(bench: Bench) -> None:
    bench.vmdk()
    bench.ovf(manifest="0" * 64)
    for image in (bench.folder / "machine.ovf", bench.ova("machine.ovf", "machine.mf", "disk.vmdk")):
        with pytest.raises(DefinitionError, match=r"disk\.vmdk is not what machine\.mf says"):
            bench.raw(image)


def test_a_damaged_qcow2_is_refused(bench: Bench) -> None:
    place = bench.convert("disk.qcow2", "qcow2")
    content = bytearray(place.read_bytes())
    content[0x30000:0x30010] = b"\xff" * 16
    place.write_bytes(content)
    with pytest.raises(DefinitionError, match=r"disk\.qcow2"):
        bench.raw(place)


@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_vmdk_is_refused(bench: Bench, cut: bool) -> None:
    place = bench.vmdk()
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 0xFF
    place.write_bytes(content[:-5000] if cut else content)
    with pytest.raises(DefinitionError, match=r"disk\.vmdk"):
        bench.raw(place)


def test_a_disk_that_refers_to_other_files_is_refused(bench: Bench) -> None:
    (bench.folder / "secret").write_bytes(b"secret" * 1000)
    place = bench.folder / "leaf.qcow2"
    base = ["-b", bench.folder / "secret", "-F", "raw"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, place, "1M"], check=True)
    with pytest.raises(DefinitionError, match="refers to other files"):
        bench.raw(place)
    descriptor = bench.convert("flat.vmdk", "vmdk", "-o", "subformat=monolithicFlat")
    outside = bench.folder / "outside"
    outside.mkdir()
    (bench.folder / "flat-flat.vmdk").rename(outside / "flat-flat.vmdk")
    text = descriptor.read_text(encoding="utf-8").replace("flat-flat.vmdk", str(outside / "flat-flat.vmdk"))
    descriptor.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match="refers to other files"):
        bench.raw(descriptor)


def test_threat_20_an_ova_stays_in_its_folder(bench: Bench) -> None:
    bench.vmdk()
    bench.ovf("../disk.vmdk")
    with pytest.raises(DefinitionError, match="does not lie beside"):
        bench.raw(bench.folder / "machine.ovf")
    with tarfile.open(bench.folder / "evil.ova", "w") as tar:
        tar.add(bench.folder / "disk.vmdk", "../evil.vmdk")
    with pytest.raises(DefinitionError, match="no plain file"):
        bench.raw(bench.folder / "evil.ova")


@pytest.mark.parametrize("name", ["odd.raw", "text.vmdk", "text.qcow2", "text.ova", "text.ovf"])
def test_what_is_no_disk_is_told(bench: Bench, name: str) -> None:
    (bench.folder / name).write_bytes(b"no disk at all")
    with pytest.raises(DefinitionError, match=name):
        bench.raw(bench.folder / name)
