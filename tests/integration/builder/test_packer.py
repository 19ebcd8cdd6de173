"""Packer really makes machine images, and its complaints reach whoever builds."""

import io
import shutil
from pathlib import Path

import pytest

from builder.layers.layer import Entry
from builder.sources.machines.packer import packed_image
from builder.work.child import settled_environment
from bundle_format.errors import DefinitionError
from bundle_format.progress import Silence

pytestmark = pytest.mark.skipif(
    not (shutil.which("packer") and shutil.which("qemu-system-x86_64")),
    reason="not installed: packer qemu-system-x86 qemu-utils (Debian packages)",
)

# A machine that resets as soon as it has read its first sector, which ends qemu where it may not boot again.
DISK = bytes.fromhex("ea0000ffff").ljust(510, b"\0") + b"\x55\xaa" + bytes((1 << 20) - 512)
HCL = """
variable "name" {
  type = string
}
source "qemu" "tiny" {
  disk_image       = true
  iso_url          = "disks/base.raw"
  iso_checksum     = "none"
  skip_compaction  = true
  disk_size        = "2M"
  format           = "qcow2"
  accelerator      = "tcg"
  headless         = true
  disable_vnc      = true
  memory           = 64
  communicator     = "none"
  boot_wait        = "1s"
  shutdown_timeout = "1m"
  qemuargs         = [["-no-reboot", ""]]
  vm_name          = "${var.name}.qcow2"
  output_directory = "out"
}
build {
  sources = ["source.qemu.tiny"]
}
"""
JSON = """
{"variables": {"name": ""}, "builders": [{"type": "qemu", "disk_image": true, "iso_url": "disks/base.raw",
 "iso_checksum": "none", "skip_compaction": true, "disk_size": "2M", "format": "raw", "accelerator": "tcg",
 "headless": true, "disable_vnc": true, "memory": 64, "communicator": "none", "boot_wait": "1s",
 "shutdown_timeout": "1m", "qemuargs": [["-no-reboot", ""]], "vm_name": "{{user `name`}}.raw",
 "output_directory": "out"}], "post-processors": [{"type": "manifest", "output": "packer-manifest.json"}]}
"""


def entry(path: str, content: bytes) -> Entry:
    return Entry(path, "file", 0o644, size=len(content), content=path, open=lambda: io.BytesIO(content))


def make(tmp_path: Path, template: str, text: str, **variables: str) -> tuple[bytes, str, list[str]]:
    said: list[str] = []
    env = settled_environment({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, 0, {})
    sources = [entry(template, text.encode()), entry("disks/base.raw", DISK)]
    scratch = tmp_path / "scratch"
    with packed_image(
        template, variables, sources, epoch=0, scratch=scratch, env=env, log=said.append, task=Silence()
    ) as disk:
        made = disk.read_bytes(), disk.name, said
    assert list(scratch.iterdir()) == []
    return made


def test_a_template_in_hcl_with_variables(tmp_path: Path) -> None:
    content, name, said = make(tmp_path, "tiny.pkr.hcl", HCL, name="mine")
    assert name == "mine.qcow2"
    assert content.startswith(b"QFI\xfb")
    assert "==> qemu.tiny: Copying hard drive..." in said


def test_a_template_in_json_with_a_manifest(tmp_path: Path) -> None:
    content, name, _ = make(tmp_path, "tiny.json", JSON, name="mine")
    assert name == "mine.raw"
    assert content[:512] == DISK[:512]
    assert len(content) == 2 << 20


def test_a_wrong_template_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"the check of tiny\.pkr\.hcl failed(.|\n)*nonsense"):
        make(tmp_path, "tiny.pkr.hcl", HCL.replace("disk_image", "nonsense"), name="mine")
    with pytest.raises(DefinitionError, match=r"the check of tiny\.pkr\.hcl failed(.|\n)*name"):
        make(tmp_path, "tiny.pkr.hcl", HCL)


def test_a_failing_build_is_told_in_packers_words(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"packer could not make tiny\.pkr\.hcl:\n  qemu\.tiny: (.|\n)*missing"):
        make(tmp_path, "tiny.pkr.hcl", HCL.replace("base.raw", "missing.raw"), name="mine")


def test_a_template_for_vmware_is_validated(tmp_path: Path) -> None:
    text = (
        '{"builders": [{"type": "vmware-iso", "iso_url": "x.iso", "iso_checksum": "none", "ssh_username": "root"%s}]}'
    )
    with pytest.raises(DefinitionError, match=r"the check of esx\.json failed"):
        make(tmp_path, "esx.json", text % ', "nonsense": 1')
    with pytest.raises(DefinitionError, match="packer could not make"):
        make(tmp_path, "esx.json", text % ', "shutdown_command": "poweroff"')
