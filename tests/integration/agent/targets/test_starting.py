"""Containers that an engine was starting when it died: what they had written is not lost with the half of a start."""

import pytest

from agent.state import ContainerState
from agent.targets.docker.files import topmost
from bundle_format.release.deployment import Volume
from tests.contracts.labs import RealLab, labels, small_image, wait_for, web
from tests.images import Shelf
from tests.integration.agent.targets.conftest import Load

WRITES = """
if ! [ -e /kept ]; then
    date > /kept; mkdir -p /new/deep; date > /new/deep/er; echo changed > /etc/motd; date > /data/own; touch /done
fi
exec sleep infinity
"""
WRITTEN = ("/kept", "/new/deep/er", "/etc/motd", "/data/own", "/done")

ENDS = 6 * b".\n"


@pytest.mark.engine
def test_what_a_container_wrote_outlasts_an_engine_that_died_while_it_started_it(
    lab: RealLab, shelf: Shelf, load: Load
) -> None:
    engine = lab.engine()
    image = load(engine, small_image(shelf))
    engine.ensure_volume(Volume(name="data"), labels("data"))
    mounts = ({"kind": "volume", "volume": "data", "path": "/data"},)
    engine.create_container(web(command=("sh", "-c", WRITES), mounts=mounts), "web", labels(), image)
    engine.start("web")
    wait_for(lab, engine, "web", lambda _: engine.read_file("web", "/done", 100) == b"")
    before = [engine.read_file("web", path, 100) for path in WRITTEN]
    engine.stop("web", 0)
    lab.private.die_amid_start("web")

    engine = lab.engine()
    engine.start("web")
    wait_for(lab, engine, "web", lambda seen: seen.status == "running")

    assert [engine.read_file("web", path, 100) for path in WRITTEN] == before
    assert None not in before
    assert [container.name for container in engine.observe().containers] == ["web"]


@pytest.mark.engine
def test_what_ends_again_and_again_by_itself_is_its_policys_whatever_its_exit_code(
    lab: RealLab, shelf: Shelf, load: Load
) -> None:
    """Its exit code is that of a container which Docker 26 kills over and over."""
    engine = lab.engine()
    image = load(engine, small_image(shelf))
    ends = f"echo . >> /ends; test $(wc -c < /ends) -gt {len(ENDS)} || exit 137; exec sleep infinity"
    engine.create_container(web(command=("sh", "-c", ends)), "web", labels(), image)
    engine.start("web")

    def is_up(seen: ContainerState) -> bool:
        if seen.status == "restarting":
            engine.start("web")
        return seen.status == "running" and len(engine.read_file("web", "/ends", 99) or b"") > len(ENDS)

    wait_for(lab, engine, "web", is_up)


def test_each_written_path_is_copied_once_and_no_mounted_one() -> None:
    written = {
        "/etc": False, "/etc/motd": False, "/etc/new": True, "/new": True, "/new/deep": True, "/new/deep/er": True,
        "/srv": True, "/srv/data": True, "/srv/own": True, "/srv/own/file": True, "/srv-2": True, "/data": True,
    }  # fmt: skip

    assert topmost(written, {"/srv/data", "/data"}) == ["/etc/motd", "/etc/new", "/new", "/srv/own", "/srv-2"]
