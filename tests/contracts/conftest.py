"""Every engine that the contract is tried on: the fake, docker as installed, a newer one with each kind of store."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contracts.boxes import Box, EsxBox, FakeLabBox
from tests.contracts.labs import FakeLab, Lab, RealLab
from tests.contracts.qemu_box import QemuBox, qemu_missing
from tests.engines import PrivateEngine, each_kind, made_engine
from tests.images import Shelf
from tests.lab.esx import LabEsx, esx_missing

IN_THE_CENTER = {
    "datacenter": "DC1",
    "cluster": "DC1_C0",
    "pool": "DC1_C0_RP1",
    "networks": {"lan": "DC1_DVPG0", "backup": "storage"},
}


@pytest.fixture(scope="session")
def docker() -> Iterator[PrivateEngine]:
    with made_engine("docker") as private:
        yield private


@pytest.fixture(scope="session")
def newer() -> Iterator[PrivateEngine]:
    with made_engine("newer") as private:
        yield private


@pytest.fixture(scope="session")
def containerd() -> Iterator[PrivateEngine]:
    with made_engine("containerd") as private:
        yield private


@pytest.fixture(params=["fake", *each_kind()])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "fake":
        yield FakeLab()
        return
    with ExitStack() as closing:
        real = RealLab(request.getfixturevalue(request.param), closing)
        closing.callback(real.clear)
        yield real


@pytest.fixture(scope="session")
def lab_esx() -> Iterator[LabEsx]:
    if missing := esx_missing():
        pytest.skip(missing)
    with LabEsx(networks=["storage"]) as lab:
        yield lab


@pytest.fixture(scope="session")
def lab_vcenter() -> Iterator[LabEsx]:
    if missing := esx_missing():
        pytest.skip(missing)
    with LabEsx("-vcenter", "-datacenters=2", "-clusters=1", "-portgroups=1", networks=["storage"]) as lab:
        yield lab


@pytest.fixture(params=["fake", "esx", "vcenter", "qemu"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    if request.param == "fake":
        yield FakeLabBox()
        return
    with ExitStack() as closing:
        if request.param == "qemu":
            if why := qemu_missing():
                pytest.skip(why)
            # Not pytest's own folder, whose name is too long for a machine's monitor.
            yield QemuBox(Path(closing.enter_context(TemporaryDirectory(prefix="floto-qemu-"))), closing)
            return
        lab = request.getfixturevalue(f"lab_{request.param}")
        esx = EsxBox(lab, tmp_path, closing, **(IN_THE_CENTER if request.param == "vcenter" else {}))
        closing.callback(esx.clear)
        yield esx


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()
