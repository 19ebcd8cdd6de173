"""What goes wrong on an ESX while the agent works there: nothing lost, nothing foreign touched, no ghosts left."""

import os
import threading
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.engines import PrivateEngine, missing
from tests.integration.agent.machines.ledger import LEASE_SECONDS, Place, make_ledger
from tests.lab.esx import LabEsx, esx_missing

pytestmark = pytest.mark.engine

MIB = 1 << 20
ROOM = 256 * MIB
REDEPLOY = ("redeploy", "server", "--yes")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place whose ESX has little room and takes its time with uploads."""
    if why := missing() or esx_missing():
        pytest.skip(why)
    options = ["-transfer-delay=300ms", f"-lease={LEASE_SECONDS}s"]
    with PrivateEngine() as engine, LabEsx(*options, datastores={"datastore1": ROOM}, answers="192.0.2.20") as esx:
        yield Place(tmp_path_factory.mktemp("place"), esx, engine)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ledger(tmp_path_factory.mktemp("bundles"), 1)


@pytest.fixture
def place(empty: Place, bundle: Path) -> Iterator[Place]:
    """With the product on it; whatever happens there, it is as sound afterwards."""
    if not list((empty.state / "receipts").glob("*")):
        empty.fresh()
        empty.run("apply", bundle, "--yes")
        empty.write_mark()
    yield empty
    empty.check(["1"])
    assert "nothing to do" in empty.run("apply", bundle, "--yes")


@pytest.mark.parametrize("name", ["password", "state/hypervisors/default.pem"])
def test_a_wrong_password_or_certificate_changes_nothing(place: Place, name: str) -> None:
    file = place.folder / name
    right = file.read_text(encoding="utf-8")
    with LabEsx() as other:
        file.write_text("hunter2" if name == "password" else other.certificate, encoding="utf-8")
    place.esx.hold(0)

    told = place.run(*REDEPLOY, codes=(ExitCode.PREFLIGHT,))

    file.write_text(right, encoding="utf-8")
    assert "refuses the user" in told or "shows another certificate" in told
    assert "hunter2" not in told
    assert place.esx.calls().names == ()


def test_sessions_that_end_after_each_call_stop_nothing(place: Place) -> None:
    with ending_sessions(place.esx, {"ShutdownGuest", "ReconfigVM_Task", "PowerOnVM_Task", "Destroy_Task"}) as ended:
        place.run(*REDEPLOY)

    assert len(ended) > 3


def test_a_session_that_ends_amid_the_upload_takes_its_lease_along(place: Place) -> None:
    with ending_sessions(place.esx, {"upload"}) as ended:
        told = place.run(*REDEPLOY, codes=(ExitCode.ROLLED_BACK,))

    assert ended == ["upload"]
    assert "given up" in told


def test_a_lease_that_is_lost_amid_the_upload_leaves_the_old_machine(place: Place) -> None:
    place.esx.cut_upload(after=2 * MIB)

    told = place.run(*REDEPLOY, codes=(ExitCode.ROLLED_BACK,))

    assert "given up" in told
    place.check(["1"])
    place.run(*REDEPLOY)


def test_a_datastore_that_fills_up_amid_the_upload_leaves_the_old_machine(place: Place) -> None:
    full = place.esx.file("[datastore1] full")

    def fill() -> None:
        if "ImportVApp" in place.esx.calls().names and not full.exists():
            with full.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, ROOM)

    place.esx.hold(0)
    with beside(fill, every=0.05):
        told = place.run(*REDEPLOY, codes=(ExitCode.ROLLED_BACK,))

    assert "NoDiskSpace" in told
    refused = place.run(*REDEPLOY, codes=(ExitCode.PREFLIGHT,))
    assert "0 B are free" in refused
    full.unlink()


@pytest.mark.parametrize("method", ["ReconfigVM_Task", "PowerOnVM_Task"])
def test_no_space_for_a_step_of_the_switch_brings_the_old_machine_back(place: Place, method: str) -> None:
    place.esx.fail(method, "NoDiskSpace")

    told = place.run(*REDEPLOY, codes=(ExitCode.ROLLED_BACK,))

    assert "NoDiskSpace" in told


@pytest.mark.parametrize("name", ["server.floto-new", "server.floto-old"])
def test_a_machine_of_another_owner_keeps_a_passing_name(place: Place, name: str) -> None:
    place.add_other(name)

    told = place.run(*REDEPLOY, codes=(ExitCode.PREFLIGHT, ExitCode.ROLLED_BACK))

    assert name in told
    place.check(["1"])
    place.remove_other(name)


@pytest.mark.parametrize("marks", [{}, {"floto.product": "workshop"}], ids=["unmarked", "another-product"])
def test_a_machine_of_another_owner_keeps_its_name(empty: Place, bundle: Path, marks: dict[str, str]) -> None:
    empty.fresh()
    empty.add_other("server", marks)
    empty.esx.hold(0)

    told = empty.run("apply", bundle, "--yes", codes=(ExitCode.PREFLIGHT,))

    assert "the name server belongs to a machine that is not ours" in told, told
    assert empty.esx.calls().names == ()
    empty.check_others()
    empty.remove_other("server")


@contextmanager
def ending_sessions(esx: LabEsx, methods: Set[str]) -> Iterator[list[str]]:
    """End all sessions after each call of these methods; those after which it was done."""
    ended: list[str] = []
    seen = 0

    def look() -> None:
        nonlocal seen
        names = esx.calls().names
        if len(names) > seen and names[-1] in methods:
            esx.expire_sessions()
            ended.append(names[-1])
        seen = len(names)

    esx.hold(0)
    with beside(look, every=0.02):
        yield ended


@contextmanager
def beside(work: Callable[[], None], every: float) -> Iterator[None]:
    """Do something again and again while the block runs."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every):
            work()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
