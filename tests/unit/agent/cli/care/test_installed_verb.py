"""`floto-agent verify --installed`: what it tells before it mends or gives up."""

import json

import pytest

from bundle_format.digest import Digest, hex_of
from tests.unit.agent.cli.conftest import Agent


def test_what_is_in_the_way_is_told_before_it_ends_for_it(running: Agent) -> None:
    found = running.daemon.find("app")
    assert found
    del running.daemon.containers[found.id]
    running.daemon.add_foreign("app")

    for words in ((), ("--repair", "--yes")):
        said = running.run("verify", "--installed", *words, code=21)
        assert "error: server: the name app belongs to a container that is not ours" in said
        assert "1 obstacle in the way, told above" in said
        assert "everything is as it was signed" not in said
    obstacles = json.loads(running.run("verify", "--installed", "--json", code=21))["obstacles"]
    assert [one["message"] for one in obstacles] == ["server: the name app belongs to a container that is not ours"]


def test_a_plan_is_told_once_and_what_is_beside_it_is_no_fault(running: Agent) -> None:
    running.daemon.add_foreign("legacy")
    assert "everything is as it was signed" in running.run("verify", "--installed")

    found = running.daemon.find("app")
    assert found
    del running.daemon.containers[found.id]
    said = running.run("verify", "--installed", "--repair", "--yes")

    assert said.count("create app: missing") == 1
    assert running.daemon.find("app")


@pytest.mark.parametrize(
    "words",
    [
        ("shop.floto", "--installed"),
        ("--installed", "--report", "lost.json"),
        ("shop.floto", "--repair"),
        ("--repair",),
    ],
)
def test_nothing_that_is_named_is_passed_over_in_silence(running: Agent, words: tuple[str, ...]) -> None:
    assert "--installed" in running.run("verify", *words, code=2)


def test_what_the_store_has_lost_is_named_with_what_brings_it_again_and_that_does(running: Agent) -> None:
    bundle = running.folder / "shop-1-1.floto"
    layer = Digest(next(iter(running.daemon.images.values())).layers[0])
    path = running.folder / "state" / "store" / "blobs" / hex_of(layer)[:2] / hex_of(layer)
    content = bytearray(path.read_bytes())
    content[9] ^= 0xFF
    path.chmod(0o600)
    path.write_bytes(content)
    running.daemon.containers.clear()
    running.daemon.images.clear()

    said = running.run("verify", "--installed", "--repair", "--yes", code=30)
    assert f"{path}: frame 0 is damaged" in said
    assert "hint: remove the file; a build fetches it again, and a site gets it by a full bundle" in said

    path.unlink()
    lost = f"blob {layer} is not in the store {path.parents[2]}"
    assert f"error: {lost}\nhint: a build fetches it again, and a site gets it" in running.run(
        "verify", "--installed", code=12
    )
    assert f"drift: cannot be told: {lost} (a build" in running.run("status", code=40)

    running.run("apply", bundle, "--yes")
    assert "everything is as it was signed" in running.run("verify", "--installed")
