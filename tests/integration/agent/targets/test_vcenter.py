"""Where in a vCenter machines are made: named by the site's file, or the only place there is; never a guess."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from agent.targets.esx.hypervisor import EsxHypervisor
from agent.targets.esx.session import Session
from agent.targets.hypervisor import Blueprint, Card, Hardware
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.model import MachineImage
from tests.contracts.boxes import OWNER, EsxBox, access_to, marks
from tests.images import Shelf
from tests.lab.clients import client
from tests.lab.esx import TERABYTE, LabEsx, esx_missing

LAN = {"lan": "DC1_DVPG0"}
PLACE = {"datacenter": "DC1", "cluster": "DC1_C0", "datastore": "shared", "networks": LAN}


@pytest.fixture(scope="module")
def center() -> Iterator[LabEsx]:
    """Two datacenters, each with a host of its own and two clusters."""
    if why := esx_missing():
        pytest.skip(why)
    datastores = {"shared": TERABYTE, "more": TERABYTE}
    options = ("-vcenter", "-datacenters=2", "-clusters=2", "-portgroups=1", f"-datastore=own={TERABYTE}=DC1_C0_H0")
    with LabEsx(*options, datastores=datastores, networks=["10.0.0.0%2f24"]) as started:
        with client(started) as there:
            _, second = there.content.rootFolder.childEntity
            krakow = second.vmFolder.CreateFolder("sites").CreateFolder("krakow")
            assert krakow.parent.name == "sites"
            cluster = next(one for one in second.hostFolder.childEntity if one.name == "DC1_C0")
            plain = vim.ResourceConfigSpec(cpuAllocation=allocation(), memoryAllocation=allocation())
            for parent in ("test", "production"):
                cluster.resourcePool.CreateResourcePool(parent, plain).CreateResourcePool("web", plain)
        yield started


def allocation() -> vim.ResourceAllocationInfo:
    shares = vim.SharesInfo(level="normal", shares=4000)
    return vim.ResourceAllocationInfo(reservation=0, expandableReservation=True, limit=-1, shares=shares)


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(lab: LabEsx, closing: ExitStack, scratch: Path, **place: Any) -> EsxHypervisor:
    session = Session("lab", access_to(lab, **place), lab.password, lab.certificate)
    hypervisor = EsxHypervisor(session, OWNER, scratch)
    closing.callback(hypervisor.close)
    return hypervisor


def make(hypervisor: EsxHypervisor, name: str, network: str = "lan") -> str:
    shelf = Shelf()
    image = MachineImage(disk=shelf.put(b"a disk".ljust(1 << 20, b"\0")), size=1 << 20)
    blueprint = Blueprint(image, Hardware(1, 64 << 20), (Card(network, "00:50:56:0b:00:01"),))
    return hypervisor.create_machine(blueprint, name, marks(name), shelf, Silence())


@pytest.mark.parametrize(
    ("place", "faults"),
    [
        pytest.param({}, ["which datacenter is meant? there are: DC0, DC1"], id="datacenter"),
        pytest.param(
            {"datacenter": "DC1"},
            [
                "which cluster or host is meant? there are the clusters DC1_C0, DC1_C1 and the hosts DC1_C0_H0, "
                "DC1_C0_H1, DC1_C1_H0, DC1_C1_H1, DC1_H0"
            ],
            id="cluster or host",
        ),
        pytest.param(
            {**PLACE, "host": "DC1_C1_H0"},
            ["there is no host 'DC1_C1_H0'; there are: DC1_C0_H0, DC1_C0_H1"],
            id="host of another cluster",
        ),
        pytest.param(
            {**PLACE, "datastore": None},
            ["which datastore is meant? there are: more, shared"],
            id="a datastore of one host is none of a cluster",
        ),
        pytest.param(
            {**PLACE, "pool": "web", "folder": "sites/lyon"},
            [
                "there is no folder 'lyon'; there are: krakow",
                "there is more than one pool 'web'; there are: Datacenters/DC1/host/DC1_C0/Resources/production/web, "
                "Datacenters/DC1/host/DC1_C0/Resources/test/web",
            ],
            id="pool and folder",
        ),
        pytest.param(
            {**PLACE, "networks": {"lan": "DC0_DVPG0"}},
            ["there is no networks.lan 'DC0_DVPG0'; there are: 10.0.0.0/24, DC1_DVPG0, VM Network"],
            id="network of another datacenter",
        ),
    ],
)
def test_what_is_not_clear_is_told_with_the_candidates(
    center: LabEsx, closing: ExitStack, tmp_path: Path, place: dict[str, Any], faults: list[str]
) -> None:
    hypervisor = opened(center, closing, tmp_path, **{"networks": {}, **place})

    told = list(hypervisor.observe().faults)
    assert told == faults
    with pytest.raises(TargetError):
        make(hypervisor, "nowhere")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        pytest.param({}, ("vm", "Resources", "shared", "DC1_DVPG0"), id="cluster"),
        pytest.param(
            {"pool": "production/web", "folder": "sites/krakow"},
            ("krakow", "web", "shared", "DC1_DVPG0"),
            id="pool and folder",
        ),
        pytest.param(
            {"cluster": None, "host": "DC1_C0_H0", "datastore": "own", "networks": {"lan": "10.0.0.0/24"}},
            ("vm", "Resources", "own", "10.0.0.0%2f24"),
            id="one host",
        ),
    ],
)
def test_machines_lie_where_the_file_says(
    center: LabEsx, closing: ExitStack, tmp_path: Path, more: dict[str, Any], where: tuple[str, ...]
) -> None:
    place = {**PLACE, **more}
    hypervisor = opened(center, closing, tmp_path, **place)

    number = make(hypervisor, "web")

    with client(center) as there:
        made = vim.VirtualMachine(number, there.service._stub)
        held = (made.parent.name, made.resourcePool.name, made.datastore[0].name, made.network[0].name)
        assert held == where
        hosts = {place["host"]} if "host" in place else {"DC1_C0_H0", "DC1_C0_H1"}
        assert made.runtime.host.name in hosts
        assert made.resourcePool.owner.name == "DC1_C0"
    hypervisor.remove_machine(number)


def test_a_machine_of_ours_is_found_beside_one_of_the_same_name(
    center: LabEsx, closing: ExitStack, tmp_path: Path
) -> None:
    """Names are only unique within a folder; and where our machine lies, people may change."""
    EsxBox(center, tmp_path, closing, **PLACE).add_foreign("theirs")
    hypervisor = opened(center, closing, tmp_path, **PLACE, folder="sites/krakow")
    number = make(hypervisor, "web")
    with client(center) as there:
        _, second = there.content.rootFolder.childEntity
        theirs = next(one for one in second.vmFolder.childEntity if one.name == "theirs")
        there.done(theirs.Rename_Task("web"))

        state = hypervisor.observe().machine("web")

        assert state is not None
        assert state.id == number
        hypervisor.remove_machine("web")
        assert hypervisor.observe().machine("web").labels is None  # type: ignore[union-attr]
        with pytest.raises(TargetError, match="is not ours"):
            hypervisor.start("web")
        there.done(theirs.Destroy_Task())


def test_a_disk_goes_only_to_the_esx_that_its_vcenter_vouches_for(closing: ExitStack, tmp_path: Path) -> None:
    if why := esx_missing():
        pytest.skip(why)
    with LabEsx("-vcenter", "-forged-host") as forged:
        hypervisor = opened(forged, closing, tmp_path, networks={"lan": "VM Network"})

        with pytest.raises(TargetError, match="shows another certificate than its vCenter says"):
            make(hypervisor, "web")

        assert hypervisor.observe().machines == ()
