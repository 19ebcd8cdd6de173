"""After a power cut of the ESX: machines that the agent gave power come up in their order, and nobody else's do."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from agent.targets.esx.hypervisor import EsxHypervisor
from agent.targets.esx.session import Session
from agent.targets.hypervisor import Blueprint, Card, Hardware
from bundle_format.progress import Silence
from bundle_format.release.model import MachineImage
from tests.contracts.boxes import OWNER, EsxBox, access_to, marks
from tests.images import Shelf
from tests.lab.clients import client
from tests.lab.esx import LabEsx, esx_missing

MIB = 1 << 20


@pytest.fixture
def esx() -> Iterator[LabEsx]:
    if why := esx_missing():
        pytest.skip(why)
    with LabEsx() as started:
        yield started


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(lab: LabEsx, closing: ExitStack, scratch: Path, **place: Any) -> EsxHypervisor:
    access = access_to(lab, networks={"lan": "VM Network"}, **place)
    hypervisor = EsxHypervisor(Session("lab", access, lab.password, lab.certificate), OWNER, scratch)
    closing.callback(hypervisor.close)
    return hypervisor


def running(hypervisor: EsxHypervisor, name: str, autostart: int | None) -> str:
    """A machine that the agent has given power."""
    shelf = Shelf()
    image = MachineImage(disk=shelf.put(b"a disk".ljust(MIB, b"\0")), size=MIB)
    wanted = Blueprint(image, Hardware(1, 64 * MIB, autostart), (Card("lan", "00:50:56:0c:00:01"),))
    number = hypervisor.create_machine(wanted, name, marks(name), shelf, Silence())
    hypervisor.start(number)
    return number


def foreign(esx: LabEsx, name: str, closing: ExitStack, scratch: Path) -> None:
    """A machine of somebody else's that is the first to be started."""
    EsxBox(esx, scratch, closing, networks={}).add_foreign(name)
    with client(esx) as there:
        machine = next(one for one in there.datacenter.vmFolder.childEntity if one.name == name)
        entry = vim.host.AutoStartManager.AutoPowerInfo(
            key=machine, startOrder=1, startDelay=30, waitForHeartbeat="no", startAction="powerOn", stopDelay=30,
            stopAction="suspend",
        )  # fmt: skip
        manager = there.compute.host[0].configManager.autoStartManager
        manager.ReconfigureAutostart(vim.host.AutoStartManager.Config(powerInfo=[entry]))


def listed(esx: LabEsx) -> tuple[bool, list[tuple[str, int, str]]]:
    """Whether autostart is on, and who has it in which place, with what is done when the ESX shuts down."""
    with client(esx) as there:
        config = there.compute.host[0].configManager.autoStartManager.config
        entries = [(one.key.name, one.startOrder, one.stopAction) for one in config.powerInfo]
        return config.defaults.enabled, sorted(entries, key=lambda entry: entry[1])


def test_machines_come_up_in_their_order_after_a_power_cut(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    hypervisor = opened(esx, closing, tmp_path)
    for name, place in (("front", 30), ("by-hand", None), ("db", 10), ("queue", 20)):
        running(hypervisor, name, place)
    assert hypervisor.observe().no_autostart == ""

    esx.kill()
    esx.start()

    assert re.findall(r"autostart of (\S+)", esx.log) == ["db", "queue", "front"]
    machines = {machine.name: machine.power for machine in opened(esx, closing, tmp_path).observe().machines}
    assert machines == {"db": "on", "queue": "on", "front": "on", "by-hand": "off"}


def test_one_that_the_agent_has_stopped_stays_so(esx: LabEsx, closing: ExitStack, tmp_path: Path) -> None:
    """The old machine that is kept aside would have the address of the new one, and its data disks."""
    hypervisor = opened(esx, closing, tmp_path)
    old, other = running(hypervisor, "db", 1), running(hypervisor, "front", 2)
    for _ in range(2):
        hypervisor.stop(old, 0, hard=True)
    hypervisor.rename(old, "db.floto-old")
    assert listed(esx) == (True, [("front", 2, "guestShutdown")])

    hypervisor.start(old)
    hypervisor.start(old)
    assert listed(esx) == (True, [("db.floto-old", 1, "guestShutdown"), ("front", 2, "guestShutdown")])

    for number in (old, other):
        hypervisor.stop(number, 0, hard=True)
        hypervisor.remove_machine(number)
    assert listed(esx) == (True, [])


def test_machines_of_others_keep_their_place_and_are_not_started_all_at_once(
    esx: LabEsx, closing: ExitStack, tmp_path: Path
) -> None:
    foreign(esx, "theirs", closing, tmp_path)
    hypervisor = opened(esx, closing, tmp_path)
    running(hypervisor, "front", 2)
    number = running(hypervisor, "db", 1)

    theirs = ("theirs", 1, "suspend")
    assert listed(esx) == (False, [theirs, ("db", 2, "guestShutdown"), ("front", 3, "guestShutdown")])
    assert hypervisor.observe().no_autostart == (
        "it is off on this ESX, and switching it on would start machines of others, too"
    )

    with client(esx) as there:
        manager = there.compute.host[0].configManager.autoStartManager
        on = vim.host.AutoStartManager.SystemDefaults(enabled=True)
        manager.ReconfigureAutostart(vim.host.AutoStartManager.Config(defaults=on))
    assert hypervisor.observe().no_autostart == ""
    hypervisor.stop(number, 0, hard=True)
    assert listed(esx) == (True, [theirs, ("front", 3, "guestShutdown")])


def test_in_a_cluster_there_is_none(closing: ExitStack, tmp_path: Path) -> None:
    if why := esx_missing():
        pytest.skip(why)
    with LabEsx("-vcenter", "-hosts=1", "-clusters=1") as center:
        cluster = opened(center, closing, tmp_path, cluster="DC0_C0")
        number = running(cluster, "db", 1)
        assert cluster.observe().no_autostart == "in a cluster, vSphere HA is what starts machines again"
        cluster.stop(number, 0, hard=True)

        alone = opened(center, closing, tmp_path, host="DC0_H0")
        assert alone.observe().no_autostart == ""
        running(alone, "front", 1)
        with client(center) as there:
            [host] = next(one for one in there.datacenter.hostFolder.childEntity if one.name == "DC0_H0").host
            assert [one.key.name for one in host.configManager.autoStartManager.config.powerInfo] == ["front"]
