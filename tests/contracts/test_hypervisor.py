"""What every Hypervisor promises, so that planning and applying need to know only one."""

import io

import pytest

from agent.labels import Labels, Owner
from agent.machines.state import MachineState
from agent.targets.hypervisor import Blueprint, Card, Hardware, Hypervisor
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.model import MachineImage
from tests.contracts.boxes import Box, marks
from tests.images import Shelf

SMALL = 64 << 20
OTHERS = Owner("other", "krakow-1")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def blueprint(shelf: Shelf, *networks: str) -> Blueprint:
    disk = shelf.put(b"a disk".ljust(1 << 20, b"\0"))
    cards = tuple(Card(network, f"00:50:56:01:02:{number:02x}") for number, network in enumerate(networks or ("lan",)))
    return Blueprint(MachineImage(disk=disk, size=1 << 20), Hardware(1, 64 << 20), cards)


def made(hypervisor: Hypervisor, shelf: Shelf, name: str = "db", labels: Labels | None = None) -> str:
    return hypervisor.create_machine(blueprint(shelf), name, labels or marks("db"), shelf, Silence())


def seen(hypervisor: Hypervisor, machine: str) -> MachineState:
    found = hypervisor.inspect(machine)
    assert found
    return found


def test_a_fresh_hypervisor_has_nothing_of_ours_and_no_faults(box: Box) -> None:
    state = box.hypervisor().observe()

    assert (state.machines, dict(state.disks), state.faults) == ((), {}, ())
    assert {"lan", "backup"} <= state.networks
    assert state.free
    assert state.free_for_disks


class TestMachines:
    def test_are_made_without_power_and_as_they_were_asked_for(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()

        number = made(hypervisor, shelf)

        [found] = hypervisor.observe().machines
        assert found == seen(hypervisor, number) == seen(hypervisor, "db")
        assert (found.name, found.power, found.labels) == ("db", "off", marks("db"))
        assert (found.cpus, found.memory, found.data_disks, found.snapshots) == (1, 64 << 20, (), ())

    def test_made_again_take_the_place_of_the_draft(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()
        made(hypervisor, shelf)
        again = made(hypervisor, shelf, labels=marks("db", transaction="t2"))

        [found] = hypervisor.observe().machines
        assert (found.id, found.labels) == (again, marks("db", transaction="t2"))

    def test_of_others_keep_their_name_and_are_not_touched(self, box: Box, shelf: Shelf) -> None:
        box.add_foreign("db")
        hypervisor = box.hypervisor()

        for forbidden in (
            lambda: made(hypervisor, shelf),
            lambda: hypervisor.start("db"),
            lambda: hypervisor.stop("db", 0, hard=True),
            lambda: hypervisor.rename("db", "mine"),
            lambda: hypervisor.change("db", Hardware(2, 64 << 20), marks("db")),
            lambda: hypervisor.remove_machine("db"),
        ):
            with pytest.raises(TargetError):
                forbidden()

        [found] = hypervisor.observe().machines
        assert (found.name, found.labels, found.power) == ("db", None, "off")

    def test_belong_to_one_product_on_one_site(self, box: Box, shelf: Shelf) -> None:
        made(box.hypervisor(), shelf)

        with pytest.raises(TargetError):
            box.hypervisor(OTHERS).remove_machine("db")

    def test_on_a_network_that_nothing_plays_leave_nothing_behind(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()

        with pytest.raises(TargetError, match="nowhere"):
            hypervisor.create_machine(blueprint(shelf, "nowhere"), "db", marks("db"), shelf, Silence())

        assert hypervisor.observe().machines == ()

    def test_change_while_they_rest(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()
        number = made(hypervisor, shelf)
        for _ in range(2):
            hypervisor.change(number, Hardware(2, 128 << 20), marks("db", transaction="t2"))

        found = seen(hypervisor, number)
        assert (found.cpus, found.memory, found.labels) == (2, 128 << 20, marks("db", transaction="t2"))

    def test_get_another_name_once_it_is_free(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()
        number, other = made(hypervisor, shelf), made(hypervisor, shelf, "other")

        with pytest.raises(TargetError):
            hypervisor.rename(number, "other")
        hypervisor.rename(number, "db.floto-old")
        hypervisor.rename(number, "db.floto-old")

        assert seen(hypervisor, number).name == "db.floto-old"
        assert seen(hypervisor, other).name == "other"

    def test_start_stop_and_go_however_often_they_are_told(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()
        number = made(hypervisor, shelf)

        for _ in range(2):
            hypervisor.start(number)
        assert seen(hypervisor, number).running
        with pytest.raises(TargetError):
            hypervisor.remove_machine(number)
        with pytest.raises(TargetError):
            hypervisor.change(number, Hardware(2, 64 << 20), marks("db"))
        for _ in range(2):
            hypervisor.stop(number, 1, hard=True)
        assert seen(hypervisor, number).power == "off"
        for _ in range(2):
            hypervisor.remove_machine(number)
        hypervisor.stop(number, 1, hard=True)

        assert hypervisor.inspect(number) is None
        assert hypervisor.observe().machines == ()


class TestDataDisks:
    def test_are_made_once_and_found_again(self, box: Box) -> None:
        hypervisor = box.hypervisor()

        first = hypervisor.ensure_disk("data", SMALL)
        again = hypervisor.ensure_disk("data", 2 * SMALL)

        assert first == again
        assert first.size in (SMALL, 0)
        assert dict(hypervisor.observe().disks) == {"data": first}
        assert dict(box.hypervisor(OTHERS).observe().disks) == {}

    def test_go_from_machine_to_machine_and_stay_when_those_go(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()
        old, new = made(hypervisor, shelf), made(hypervisor, shelf, "db.floto-new")
        disks = [hypervisor.ensure_disk(name, SMALL) for name in ("data", "more")]
        paths = [disk.path for disk in disks]
        for _ in range(2):
            hypervisor.attach(old, paths)
        held = seen(hypervisor, old).data_disks
        assert [disk.path for disk in held] == paths

        with pytest.raises(TargetError):
            hypervisor.attach(new, paths)
        with pytest.raises(TargetError):
            hypervisor.remove_machine(old)
        with pytest.raises(TargetError):
            hypervisor.remove_disk(paths[0])
        for _ in range(2):
            hypervisor.detach(old, paths)
        hypervisor.attach(new, paths)
        hypervisor.remove_machine(old)

        assert seen(hypervisor, new).data_disks == held
        assert dict(hypervisor.observe().disks) == {"data": disks[0], "more": disks[1]}

    def test_that_are_missing_are_not_made_up(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()
        number, disk = made(hypervisor, shelf), hypervisor.ensure_disk("data", SMALL)
        box.lose(disk.path)

        with pytest.raises(TargetError):
            hypervisor.attach(number, [disk.path])

        assert seen(hypervisor, number).data_disks == ()
        assert dict(hypervisor.observe().disks) == {}

    def test_grow_and_never_shrink(self, box: Box, shelf: Shelf) -> None:
        hypervisor = box.hypervisor()
        number, disk = made(hypervisor, shelf), hypervisor.ensure_disk("data", SMALL)
        hypervisor.attach(number, [disk.path])

        for _ in range(2):
            hypervisor.grow_disk(number, disk.path, 2 * SMALL)
        with pytest.raises(TargetError):
            hypervisor.grow_disk(number, disk.path, SMALL)

        assert [held.size for held in seen(hypervisor, number).data_disks] == [2 * SMALL]

    def test_go_for_good_when_they_are_purged(self, box: Box) -> None:
        hypervisor = box.hypervisor()
        disk = hypervisor.ensure_disk("data", SMALL)

        for _ in range(2):
            hypervisor.remove_disk(disk.path)

        assert dict(hypervisor.observe().disks) == {}


def test_snapshots_bring_back_what_was(box: Box, shelf: Shelf) -> None:
    hypervisor = box.hypervisor()
    number = made(hypervisor, shelf)
    for _ in range(2):
        hypervisor.take_snapshot(number, "before")
    assert seen(hypervisor, number).snapshots == ("before",)

    hypervisor.revert(number, "before")
    for _ in range(2):
        hypervisor.drop_snapshot(number, "before")

    assert seen(hypervisor, number).snapshots == ()


def test_an_export_leaves_the_machine_as_it_is(box: Box, shelf: Shelf) -> None:
    hypervisor = box.hypervisor()
    number = made(hypervisor, shelf)
    before, out = seen(hypervisor, number), io.BytesIO()

    hypervisor.export(number, out, Silence())

    assert out.getvalue()
    assert seen(hypervisor, number) == before
