"""What goes for good: only what nobody holds, and only what is ours."""

from pathlib import Path

import pytest

from agent.machines.known import forget_disk, known_disks
from agent.machines.purge import doomed_disk, doomed_machine, purge_machine
from bundle_format.errors import MissingError, PreflightError
from tests.machine_sites import MachineSite
from tests.sites import OWNER


@pytest.fixture
def here(tmp_path: Path) -> MachineSite:
    here = MachineSite(tmp_path)
    here.site.apply(here.deployment())
    return here


def test_a_disk_that_a_machine_has_is_not_removed(here: MachineSite) -> None:
    states = here.site.observe(here.deployment()).hypervisors

    with pytest.raises(PreflightError, match="machine db1 has data disk data"):
        doomed_disk(states, known_disks(here.site.folder), "data")
    with pytest.raises(MissingError):
        doomed_disk(states, known_disks(here.site.folder), "other")


def test_a_disk_whose_file_is_lost_can_be_forgotten_and_is_made_again(here: MachineSite) -> None:
    [machine] = here.box.machines.values()
    here.box.power_off(machine)
    machine.disks.clear()
    here.box.files.clear()
    states = here.site.observe(here.deployment()).hypervisors

    assert doomed_disk(states, known_disks(here.site.folder), "data").path is None
    forget_disk(here.site.folder, "data")

    assert "disk" in {step.action.kind for step in here.site.plan(here.deployment()).steps}


def test_a_machine_goes_once_its_host_is_gone_and_its_disk_stays(here: MachineSite) -> None:
    current = here.site.history.current
    assert current
    states = here.site.observe(here.deployment()).hypervisors
    with pytest.raises(PreflightError, match="belongs to the release"):
        doomed_machine(states, OWNER, current.undertaking, "db1")

    left = current.undertaking.model_copy(update={"hosts": {}})
    doomed = doomed_machine(states, OWNER, left, "db1")
    purge_machine(doomed, here.site.hypervisors()["default"])

    assert here.machines() == {}
    assert len(here.box.files) == 1
