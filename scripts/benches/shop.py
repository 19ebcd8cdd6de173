"""Deltas of examples/shop against the same rivals: a security update of the base, and another jar.

The base is the shop's own, then the same with Debian's newest apt; what Dockerfiles build on it is built anew.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from delta import BASES, ROOT, main, upgrade

SHOP = ROOT / "examples" / "shop"
PACKAGES = "apt libapt-pkg6.0"
SOURCE = Path("catalogue/src/shop/Catalogue.java")


def write_shop(project: Path, version: int) -> None:
    """The shop as it is in the repository; its second release with another jar and the other base."""
    if not (BASES / "shop-base-2.tar").exists():
        _make_bases()
    base = ["docker", "import", BASES / f"shop-base-{version}.tar", "floto-shop/debian:12"]
    subprocess.run(base, check=True, stdout=2)
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(SHOP, project)
    if version > 1:
        _change(project / "site.star", "2024.1", "2024.2")
        _change(project / SOURCE, "listens on", "answers on")


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} says {old} no more"
    path.write_text(text.replace(old, new), encoding="utf-8")


def _make_bases() -> None:
    first, second = (BASES / f"shop-base-{version}.tar" for version in (1, 2))
    subprocess.run([SHOP / "images/debian/make", first], check=True)
    with tempfile.TemporaryDirectory(prefix="floto-base-", dir=BASES) as root:
        subprocess.run(["tar", "-xf", first, "-C", root], check=True)
        upgrade(Path(root), f"install-packages --only-upgrade {PACKAGES}")
        subprocess.run(["tar", "--sort=name", "--numeric-owner", "-cf", second, "-C", root, "."], check=True)


if __name__ == "__main__":
    if "DOCKER_HOST" in os.environ:
        main("shop", write_shop)
    else:
        command = [ROOT / "scripts" / "with-engine", BASES / "engine", sys.executable, __file__]
        os.execv(command[0], list(map(str, command)))
