"""The machine image of the tests: Debian with an engine and cloud-init, made once for each state of its recipe.

It takes a minute or two, and a network: packages come from the distribution.
"""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

RECIPE = Path(__file__).with_name("machine")
CACHE = Path(__file__).parents[2] / ".work" / "lab"
PROGRAMS = ("debootstrap", "sfdisk", "mkfs.vfat", "mcopy", "syslinux", "mke2fs", "qemu-img", "qemu-system-x86_64")


def machines_missing() -> str | None:
    """Why no machine can be made here; None if it can."""
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    if lacking:
        packages = "debootstrap fdisk dosfstools mtools syslinux syslinux-common e2fsprogs qemu-utils qemu-system-x86"
        return f"not installed: {', '.join(lacking)} (Debian: {packages})"
    return None


def machine_root() -> Path:
    """The folder with the root of a machine; not to be written to."""
    return _made("root", "make-root")


def machine_disk() -> Path:
    """The raw disk of a machine, 2 GiB with holes."""
    return _made("disk.raw", "make-disk", machine_root())


def _made(name: str, recipe: str, *ingredients: Path) -> Path:
    made = CACHE / f"{_digest()}-{name}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second waits for what the first one makes
        if not made.exists():
            draft = made.with_name(f"{made.name}.draft")
            subprocess.run(["rm", "-rf", draft], check=True)
            subprocess.run([RECIPE / recipe, *ingredients, draft], check=True)
            draft.rename(made)
            outdated = [old for old in CACHE.glob(f"*-{name}*") if old != made]
            subprocess.run(["rm", "-rf", *outdated], check=True)
    return made


def _digest() -> str:
    files = sorted(file for file in RECIPE.rglob("*") if file.is_file())
    told = b"".join(str(file.relative_to(RECIPE)).encode() + b"\0" + file.read_bytes() for file in files)
    return hashlib.sha256(told).hexdigest()[:16]
