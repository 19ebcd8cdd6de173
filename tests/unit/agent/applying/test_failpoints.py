"""An apply that is cut short at any moment, once or twice, by whatever blow, ends right (THREATS 22 to 25, 28, 40)."""

import random
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import pytest

from agent.applying.journal import Began, Did, Journal
from agent.applying.means import Means
from agent.applying.retreat import retreat
from agent.applying.runner import Act
from agent.applying.settle import MOST_ATTEMPTS
from agent.planning.view import Wishes
from agent.steps import Action, BackUp
from bundle_format.errors import FlotoError, NeedsPersonError
from tests.failpoints import Blow, Scene, boot, check_invariants, make_scene, settle_and_check, update, watched

BLOWS: tuple[Blow, ...] = ("kill", "power", "refuse", "full")
PAIRS = 250


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Scene]:
    return {
        health: make_scene(tmp_path_factory.mktemp(health), healthy=health == "healthy")
        for health in ("healthy", "unhealthy")
    }


@pytest.fixture(params=["healthy", "unhealthy"])
def scene(request: pytest.FixtureRequest, scenes: dict[str, Scene]) -> Scene:
    return scenes[request.param]


def test_an_undisturbed_update_ends_as_its_health_says(scene: Scene, tmp_path: Path) -> None:
    copied = scene.copy(tmp_path)
    with watched(copied.site) as watch:
        update(copied, watch)

    assert check_invariants(copied) == ("2" if scene.healthy else "1")
    assert len(watch.moments) > 100


@pytest.mark.parametrize("blow", BLOWS)
def test_threat_24_every_single_blow(
    scene: Scene, blow: Blow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = {"1": 0, "2": 0}
    for number in range(moments_of(scene, tmp_path / "count")):
        copied = scene.copy(tmp_path / str(number))
        with watched(copied.site, {number: blow}) as watch:
            update(copied, watch)
        ends[settle_and_check(copied)] += 1
    with capsys.disabled():
        print(f"\n{blow} at each of {sum(ends.values())} moments: {ends}")  # noqa: T201  # the counts are the evidence


def test_what_an_engine_kills_over_and_over_after_half_a_start_runs_in_the_end(scene: Scene, tmp_path: Path) -> None:
    counted = scene.copy(tmp_path / "count")
    with watched(counted.site) as undisturbed:
        update(counted, undisturbed)
    moments = enumerate(undisturbed.moments)
    halves = [number for number, moment in moments if (moment.when, moment.verb) == ("amid", "start")]
    assert halves
    for number in halves:
        copied = scene.copy(tmp_path / str(number))
        copied.site.daemons["one"].kills = True
        with watched(copied.site, {number: "power"}) as watch:
            update(copied, watch)
        settle_and_check(copied)


def moments_of(scene: Scene, root: Path) -> int:
    copied = scene.copy(root)
    with watched(copied.site) as watch:
        update(copied, watch)
    return len(watch.moments)


def test_threat_24_sampled_pairs_of_blows(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The agent that comes to end it is cut short as well, then a third one comes."""
    assert sum(pairs(scene, tmp_path, PAIRS, capsys).values()) == PAIRS


@pytest.mark.slow
def test_threat_24_many_more_pairs(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sum(pairs(scene, tmp_path, 20 * PAIRS, capsys, seed=2).values()) == 20 * PAIRS


def pairs(
    scene: Scene, tmp_path: Path, count: int, capsys: pytest.CaptureFixture[str], seed: int = 1
) -> dict[str, int]:
    chance = random.Random(seed)
    ends = {"1": 0, "2": 0}
    moments = moments_of(scene, tmp_path / "count")
    for number in range(count):
        copied = scene.copy(tmp_path / str(number))
        with watched(copied.site, {chance.randrange(moments): chance.choice(BLOWS)}) as watch:
            update(copied, watch)
        boot(copied)
        with watched(copied.site, {chance.randrange(30): chance.choice(BLOWS)}) as watch:
            copied.site.resume(watch)
        ends[settle_and_check(copied)] += 1
    with capsys.disabled():
        print(f"\n{count} pairs: {ends}")  # noqa: T201
    return ends


def test_after_a_blow_the_same_command_ends_as_without_it(scene: Scene, tmp_path: Path) -> None:
    for number in range(0, moments_of(scene, tmp_path / "count"), 5):
        copied = scene.copy(tmp_path / str(number))
        with watched(copied.site, {number: "kill"}) as watch:
            update(copied, watch)
        with suppress(FlotoError):
            copied.site.apply(copied.two)
        assert check_invariants(copied) == ("2" if scene.healthy else "1")


def test_threat_40_what_is_cut_short_again_and_again_is_left_to_a_person(scene: Scene, tmp_path: Path) -> None:
    copied = scene.copy(tmp_path)
    last = moments_of(scene, tmp_path / "count") * 2 // 3
    with watched(copied.site, {last: "kill"}) as watch:
        update(copied, watch)
    for _ in range(MOST_ATTEMPTS):
        with watched(copied.site, {4: "kill"}) as watch:
            copied.site.resume(watch)
    before = copied.site.names()
    with pytest.raises(NeedsPersonError, match="never came to an end"):
        copied.site.resume()
    assert copied.site.names() == before

    copied.site.resume(back=True)
    assert check_invariants(copied) == "1"


def test_the_release_before_can_be_put_back_after_any_kill(scene: Scene, tmp_path: Path) -> None:
    for number in range(0, moments_of(scene, tmp_path / "count"), 12):
        copied = scene.copy(tmp_path / str(number))
        with watched(copied.site, {number: "kill"}) as watch:
            update(copied, watch)
        if settle_and_check(copied) == "2":
            backups = copied.site.history.current.backups
            copied.site.apply(copied.one, Wishes(restore=backups))
            assert check_invariants(copied) == "1"


def done_before_the_effect(number: int, action: Action, journal: Journal, act: Act) -> None:
    journal.write(Began(step=number))
    result = act(action) if isinstance(action, BackUp) else ""
    journal.write(Did(step=number, result=result))
    if not result:
        act(action)


def effect_before_the_intent(number: int, action: Action, journal: Journal, act: Act) -> None:
    result = act(action)
    journal.write(Began(step=number))
    journal.write(Did(step=number, result=result))


def undoing_only_what_is_known_to_be_done(journal: Journal, means: Means, only: Collection[int] | None = None) -> None:
    retreat(journal, means, journal.course.did.keys() if only is None else only)


@pytest.mark.parametrize(
    "mutation",
    [
        ("runner._run", done_before_the_effect, "healthy"),
        ("runner._run", effect_before_the_intent, "healthy"),
        ("journal.os.ftruncate", lambda descriptor, size: None, "healthy"),
        ("transaction.tidy", lambda folder, undertaking, means: None, "healthy"),
        ("transaction.retreat", undoing_only_what_is_known_to_be_done, "unhealthy"),
        ("transaction.ONCE", (), "unhealthy"),
    ],
    ids=lambda mutation: mutation[0],
)
def test_a_fault_that_somebody_builds_in_is_caught(
    scenes: dict[str, Scene], mutation: tuple[str, object, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suite is worth something only if it finds these."""
    place, mutant, health = mutation
    monkeypatch.setattr(f"agent.applying.{place}", mutant)
    assert caught(scenes[health], tmp_path)


def caught(scene: Scene, root: Path) -> bool:
    for blow in ("kill", "refuse"):
        for number in range(moments_of(scene, root / "count" / blow)):
            copied = scene.copy(root / f"{blow}-{number}")
            try:
                with watched(copied.site, {number: blow}) as watch:
                    update(copied, watch)
                settle_and_check(copied)
            except (AssertionError, FlotoError):
                return True
    return False
