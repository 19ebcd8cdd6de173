"""`kind = "qemu"` in a site's file: this computer in the place of an ESX."""

from pathlib import Path

import pytest

from bundle_format.release.model import Release, Variant
from bundle_format.site.hypervisors import LocalAccess
from bundle_format.site.schema import site_schema
from bundle_format.site.sitefile import FaultySiteError, load_site

MACHINE = {"image": "debian", "nics": [{"network": "lan", "address": "10.0.0.2/24"}]}
SHOP = Release(
    product="shop",
    version="1.0",
    evaluator="test",
    sources={},
    variants=(Variant(when={}, objects={"host": {"db": {"kind": "machine", "machine": MACHINE}}}),),
)
GOOD = """\
site = "home"
[hypervisors.default]
kind = "qemu"
folder = "machines"
networks = { lan = "br0" }
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_it_needs_a_folder_and_bridges_and_nobody_to_log_in(tmp_path: Path) -> None:
    site = load_site(written(tmp_path, GOOD), SHOP)

    folder = str(tmp_path / "machines")
    assert site.hypervisors == {"default": LocalAccess(kind="qemu", folder=folder, networks={"lan": "br0"})}


def test_what_is_missing_or_unknown_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('folder = "machines"', 'user = "root"').replace("lan =", "backup =")

    with pytest.raises(FaultySiteError) as refused:
        load_site(written(tmp_path, text), SHOP)

    told = refused.value.message
    assert "hypervisors.default.user: unknown key" in told
    assert "hypervisors.default.folder" in told


def test_editors_offer_an_esx_or_this_computer() -> None:
    described = site_schema(SHOP)["properties"]["hypervisors"]["properties"]["default"]

    kinds = [one["properties"]["kind"]["const"] for one in described["anyOf"]]
    assert kinds == ["esx", "qemu"]
    assert [one["required"][0] for one in described["anyOf"]] == ["address", "kind"]
