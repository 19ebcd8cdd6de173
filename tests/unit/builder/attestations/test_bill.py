"""The bill of materials tells what the last layer of an image leaves, and is the same text each time."""

import json
from pathlib import Path

from builder.attestations.bill import bill_of
from builder.attestations.packages import Package
from builder.attestations.scan import contents_of
from builder.work.ledger import Ledger
from bundle_format.digest import digest_of
from bundle_format.release.model import File, Image, Release, Variant
from bundle_format.store import Store
from tests import images

STATUS = "Package: {0}\nStatus: install ok installed\nVersion: {1}\nArchitecture: amd64\n"


def layer(store: Store, **files: str) -> str:
    return store.add_bytes(images.layer({name: text.encode() for name, text in files.items()})).digest


def test_later_layers_replace_and_remove(tmp_path: Path) -> None:
    store, ledger = Store(tmp_path / "store"), Ledger(tmp_path / "ledger")
    dpkg, rpm = "var/lib/dpkg/status", "var/lib/rpm/Packages"
    first = layer(store, **{dpkg: STATUS.format("old", "1"), rpm: "bdb", "opt/a": ""})
    second = layer(store, **{dpkg: STATUS.format("new", "2")})
    third = layer(store, **{"var/lib/.wh.dpkg": ""})
    assert [one.name for one in contents_of(store, ledger, [first]).packages] == ["old"]
    assert [one.name for one in contents_of(store, ledger, [first, second]).packages] == ["new"]
    assert contents_of(store, ledger, [first, second, third]).packages == ()
    assert contents_of(store, ledger, [first]).unread == ("/var/lib/rpm/Packages (RPM database in Berkeley DB)",)


def test_packages_bear_the_name_of_their_system(tmp_path: Path) -> None:
    store, ledger = Store(tmp_path / "store"), Ledger(tmp_path / "ledger")
    base = layer(
        store, **{"usr/lib/os-release": 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\n', "etc/os-release": "x"}
    )
    later = layer(store, **{"var/lib/dpkg/status": STATUS.format("libc6", "2.39")})
    told = contents_of(store, ledger, [base, later])
    assert told.packages == (Package("deb", "ubuntu", "libc6", "2.39", "amd64", "ubuntu-24.04"),)
    assert contents_of(store, ledger, [later]).packages == (Package("deb", "debian", "libc6", "2.39", "amd64"),)


def test_the_document_names_everything_and_is_the_same_each_time(tmp_path: Path) -> None:
    store, ledger = Store(tmp_path / "store"), Ledger(tmp_path / "ledger")
    system = {"etc/os-release": "ID=debian\nVERSION_ID='12'\n"}
    digest = layer(store, **system, **{"var/lib/dpkg/status": STATUS.format("libc6", "2.36-9+deb12u13")})
    config = digest_of(b"config")
    image = Image(tag="p/web:1", config=config, manifest=config, layers=(digest,), size=1)
    file = File(digest=config, size=3)
    release = Release(
        product="pp",
        version="1",
        evaluator="e",
        sources={},
        images={"web": image},
        files={"a.conf": file},
        variants=(Variant(when={}, objects={}),),
    )
    contents = {"web": contents_of(store, ledger, image.layers)}
    text = bill_of(release, config, contents, {}, 1700000000)
    assert bill_of(release, config, contents, {}, 1700000000) == text
    told = json.loads(text)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert told["metadata"]["component"]["name"] == "pp"
    assert told["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")
    purls = {one.get("purl") for one in told["components"]}
    assert "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64&distro=debian-12" in purls
    depends = {one["ref"]: one.get("dependsOn", []) for one in told["dependencies"]}
    assert depends["product"] == ["file:a.conf", "image:web"]
    assert len(depends["image:web"]) == 1
