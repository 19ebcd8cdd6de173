"""Machines through plan and apply, on a hypervisor in memory: made, changed, replaced, taken back; no data are lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.machines.known import known_disks
from agent.planning.view import Wishes
from agent.report.status import status_json, status_of
from agent.report.status_text import status_lines
from agent.steps import Plan
from bundle_format.errors import FlotoError, RolledBackError, TargetError
from bundle_format.release.deployment import Deployment
from bundle_format.release.fields import Sealed
from bundle_format.site.hypervisors import HypervisorAccess, SecretSource
from tests.fakes import Moment
from tests.machine_sites import CHECK, SMALL, MachineSite

RUNS = {"db": "shop/db:1", "front": "shop/front:1"}
UNWELL = {"healthcheck": {**CHECK, "test": ["CMD", "false"]}}


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[MachineSite]:
    yield MachineSite(tmp_path)


def why(plan: Plan, kind: str) -> list[str]:
    return [reason for step in plan.steps for reason in step.why if step.action.kind == kind]


def obstacles(here: MachineSite, deployment: Deployment, **wishes: frozenset[str]) -> str:
    return "\n".join(one.message for one in here.site.plan(deployment, Wishes(**wishes)).obstacles)


def write(here: MachineSite, text: bytes) -> None:
    """As the database does."""
    daemon = here.box.daemon_at("192.0.2.20")
    assert daemon
    daemon.volumes["data"].files["rows"] = text


def rows(here: MachineSite) -> bytes:
    daemon = here.box.daemon_at("192.0.2.20")
    assert daemon
    return daemon.volumes["data"].files["rows"]


def test_a_missing_machine_is_made_and_its_containers_run(here: MachineSite) -> None:
    release = here.deployment()
    plan = here.site.plan(release)
    assert why(plan, "create-machine") == ["missing"]
    assert why(plan, "disk") == ["never there before"]
    assert {step.action.kind for step in plan.steps if step.late} == {"load", "volume", "draft"}

    receipt = here.site.apply(release)

    assert receipt
    assert receipt.outcome == "done"
    assert here.machines() == {"db1": "on"}
    assert here.running() == RUNS
    assert known_disks(here.site.folder)["data"].size == SMALL
    assert here.site.plan(release) == Plan()


def test_a_plan_tells_where_a_machine_will_not_start_by_itself(here: MachineSite) -> None:
    here.box.no_autostart = "it is off"
    plan = here.site.plan(here.deployment(machine={"autostart": 1}))

    assert plan.notices == ("db1: its machine gets no autostart: it is off",)
    assert here.site.plan(here.deployment()).notices == ()


def test_a_machine_is_made_anew_and_keeps_its_data_disk(here: MachineSite) -> None:
    here.site.apply(here.deployment())
    write(here, b"three rows")
    [old] = here.box.machines

    here.site.apply(here.deployment(image=b"a newer disk"))

    assert here.machines() == {"db1": "on"}
    assert old not in here.box.machines
    assert here.running() == RUNS
    assert rows(here) == b"three rows"
    assert here.site.plan(here.deployment(image=b"a newer disk")) == Plan()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"machine": {"nics": [{"network": "backup", "address": "192.0.2.20/24"}]}}, "nics changed"),
        ({"machine": {"dns": ["192.0.2.1"]}}, "dns changed"),
        ({"machine": {"guest": {"color": "red"}}}, "guest changed"),
        ({"machine": {"firmware": "efi"}}, "firmware changed"),
        ({"image": b"newer"}, "image changed"),
        ({"disk": {"filesystem": "xfs"}}, "data disk data changed"),
    ],
)
def test_what_cannot_be_changed_in_place_says_why(here: MachineSite, change: dict, reason: str) -> None:
    here.site.apply(here.deployment())

    assert why(here.site.plan(here.deployment(**change)), "replace-machine") == [reason]


def test_hardware_and_growing_disks_are_changed_in_place(here: MachineSite) -> None:
    here.site.apply(here.deployment())
    write(here, b"three rows")
    wanted = here.deployment(machine={"cpus": 4, "memory": 2 << 30}, disk={"size": 2 * SMALL})
    plan = here.site.plan(wanted)
    assert why(plan, "change-machine") == ["cpus changed", "memory changed", "data disk data grows"]
    assert [step.downtime for step in plan.steps if step.action.kind == "change-machine"] == [60]

    here.site.apply(wanted)

    [machine] = here.box.machines.values()
    assert (machine.hardware.cpus, machine.hardware.memory) == (4, 2 << 30)
    assert [file.size for file in here.box.files.values()] == [2 * SMALL]
    assert known_disks(here.site.folder)["data"].size == 2 * SMALL
    assert (here.running(), rows(here)) == (RUNS, b"three rows")
    assert here.site.plan(wanted) == Plan()


def test_what_somebody_changed_by_hand_is_drift(here: MachineSite) -> None:
    release = here.deployment()
    here.site.apply(release)
    [machine] = here.box.machines.values()
    machine.hardware = type(machine.hardware)(1, machine.hardware.memory)

    assert why(here.site.plan(release), "change-machine") == ["drift: cpus edited by hand"]


def test_an_unhealthy_release_brings_the_old_machine_back(here: MachineSite) -> None:
    here.site.apply(here.deployment())
    write(here, b"three rows")
    [old] = here.box.machines

    with pytest.raises(RolledBackError, match="what ran before runs again"):
        here.site.apply(here.deployment("2", image=b"newer", front=UNWELL))

    assert list(here.box.machines) == [old]
    assert here.machines() == {"db1": "on"}
    assert (here.running(), rows(here)) == (RUNS, b"three rows")
    assert here.site.plan(here.deployment()) == Plan()


def test_a_machine_whose_guest_stays_silent_is_taken_back(here: MachineSite) -> None:
    here.box.deaf = True

    with pytest.raises(RolledBackError, match="has power, but its tools report no address"):
        here.site.apply(here.deployment())

    assert here.machines() == {}
    assert len(here.box.files) == 1, "a data disk is never removed"


def test_a_known_disk_that_is_missing_stops_everything(here: MachineSite) -> None:
    here.site.apply(here.deployment())
    here.box.files.clear()
    [machine] = here.box.machines.values()

    told = obstacles(here, here.deployment(), anew=frozenset({"db1"}))

    assert "data disk data is not where it was" in told
    assert machine.power == "on"


def test_a_disk_with_another_id_is_not_taken_for_ours(here: MachineSite) -> None:
    here.site.apply(here.deployment())
    [file] = here.box.files.values()
    file.uuid = "another"

    assert "it has another id" in obstacles(here, here.deployment())


def test_a_disk_never_shrinks(here: MachineSite) -> None:
    here.site.apply(here.deployment())

    assert "disks never shrink" in obstacles(here, here.deployment(disk={"size": SMALL // 2}))


def test_data_on_the_disk_that_goes_with_a_machine_are_not_given_up(tmp_path: Path) -> None:
    here = MachineSite(tmp_path, on_disk=False)
    here.site.apply(here.deployment())

    told = obstacles(here, here.deployment(image=b"newer"))
    assert "volume data lies on the disk that goes with it" in told

    assert obstacles(here, here.deployment(image=b"newer"), unprotect=frozenset({"db1"})) == ""


def test_a_machine_of_somebody_else_keeps_its_name(here: MachineSite) -> None:
    here.box.add_foreign("db1")

    plan = here.site.plan(here.deployment())

    assert [one.message for one in plan.obstacles if "not ours" in one.message]
    assert not [step for step in plan.steps if step.action.kind == "create-machine"]


def test_all_that_is_wrong_with_the_place_is_told_at_once(here: MachineSite) -> None:
    here.box.faults = ["which datastore is meant? there are: one, two", "there is no pool 'gold'; there are: Resources"]
    here.box.up = True

    told = obstacles(here, here.deployment())

    assert "which datastore is meant?" in told
    assert "there is no pool 'gold'" in told


def test_room_is_asked_for_before_anything_is_made(here: MachineSite) -> None:
    here.box.free = SMALL // 2

    assert "machines and data disks need" in obstacles(here, here.deployment())


def test_a_hypervisor_that_is_down_is_told(here: MachineSite) -> None:
    here.box.up = False

    assert "the hypervisor cannot be reached" in obstacles(here, here.deployment())
    hints = [obstacle.hint for obstacle in here.site.plan(here.deployment()).obstacles]
    assert "Bring it back." in hints and "--only" not in "".join(hints), "there is no other host to be named"


def test_a_machine_that_is_off_is_not_guessed_about(here: MachineSite) -> None:
    here.site.apply(here.deployment())
    [machine] = here.box.machines.values()
    here.box.power_off(machine)

    assert "its machine is switched off" in obstacles(here, here.deployment("2"))


def test_no_secret_gets_into_the_journal(here: MachineSite) -> None:
    here.site.apply(here.deployment(machine={"guest": {"token": Sealed("hunter2", b"key")}}))

    [machine] = here.box.machines.values()
    assert machine.guest["guestinfo.token"] == "hunter2"
    assert machine.labels
    assert "hunter2" not in machine.labels.spec
    kept = b"".join(path.read_bytes() for path in here.site.folder.root.rglob("*") if path.is_file())
    assert b"hunter2" not in kept


def test_an_upload_that_fails_leaves_nothing_and_the_old_machine_runs(here: MachineSite) -> None:
    here.site.apply(here.deployment())

    def cut(moment: Moment) -> None:
        if (moment.when, moment.verb) == ("amid", "create_machine"):
            raise TargetError("the upload broke off")

    with pytest.raises(FlotoError, match="nothing that runs was touched"):
        here.site.apply(here.deployment(image=b"newer"), hook=cut)

    assert here.machines() == {"db1": "on"}
    assert here.running() == RUNS


def test_an_engine_that_does_not_find_its_root_again_is_not_taken_for_the_old_one(here: MachineSite) -> None:
    here.site.apply(here.deployment())
    write(here, b"three rows")

    def elsewhere(moment: Moment) -> None:
        # The guest of the new machine keeps its engine on its own disk, whatever the definition says.
        here.box.engine_on_disk = moment.verb != "start_machine" or moment.when == "after"
        if (moment.when, moment.verb) == ("after", "start_machine"):
            here.box.engine_on_disk = len(here.box.machines) == 1

    with pytest.raises(RolledBackError, match="is not the one that was there"):
        here.site.apply(here.deployment(image=b"newer"), hook=elsewhere)

    here.box.engine_on_disk = True
    assert (here.running(), rows(here)) == (RUNS, b"three rows")


def test_the_status_tells_of_machines_and_their_drift(here: MachineSite) -> None:
    release = here.deployment()
    here.site.apply(release)
    current = here.site.history.current
    assert current
    access = HypervisorAccess(address="esx", user="root", password=SecretSource(prompt=True))
    receipt = current.model_copy(
        update={"undertaking": current.undertaking.model_copy(update={"hypervisors": {"default": access}})}
    )
    [machine] = here.box.machines.values()
    machine.snapshots["before"] = here.box.snapshot(machine)

    def told() -> str:
        state = here.site.observe(release)
        status = status_of(receipt, state, here.site.plan(release), {})
        assert status_json(status)["machines"][0]["running"] == (machine.power == "on")
        return "\n".join(status_lines(status, 0))

    assert "db1  on default  on  192.0.2.20  tools run  [store] floto-shop-krakow-1/data.vmdk 67.1 MB" in told()
    assert "snapshots: before" in told()
    here.box.power_off(machine)
    assert "db1  on default  off" in told()
