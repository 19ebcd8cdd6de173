"""The days between releases, on a real engine."""

import time

import pytest

from tests.corner_shop import make_shop
from tests.integration.agent.apply.conftest import Agent

pytestmark = pytest.mark.engine


@pytest.fixture
def shop(site: Agent) -> Agent:
    site.run("apply", make_shop(site.folder), "--yes")
    return site


def test_what_was_edited_or_rots_is_found_and_made_anew(shop: Agent) -> None:
    assert "everything is as it was signed" in shop.run("verify", "--installed")

    shop.engine.docker("exec", "front", "sh", "-c", "echo hacked > /srv/www/index.html")
    for path in (shop.engine.folder / "data").glob("overlay2/*/diff/app/base"):
        path.write_text("rotten", encoding="utf-8")
    said = shop.run("verify", "--installed", code=40)
    assert "front: file /srv/www/index.html was edited by hand" in said
    if shop.engine.docker("info", "--format", "{{.Driver}}") != "overlayfs":  # containerd's gives what it was sent
        assert "image shop/base:2024.1 is damaged" in said

    shop.run("verify", "--installed", "--repair", "--yes")
    assert "everything is as it was signed" in shop.run("verify", "--installed")
    assert shop.engine.docker("exec", "base", "cat", "/data/log") == "2024.1"
    assert "version 2024.1" in shop.page()


def test_a_volume_is_carried_away_brought_back_and_purged(shop: Agent) -> None:
    shop.run("backup", "data", "--to", "data.tar")
    shop.engine.docker("exec", "base", "sh", "-c", "echo lost > /data/log; echo more > /data/other")
    shop.run("restore", "data", "--from", "data.tar", "--yes")
    assert shop.engine.docker("exec", "base", "sh", "-c", "cat /data/*") == "2024.1"

    said = shop.run("purge", "volume", "data", code=2)
    assert "volume data with ALL ITS DATA" in said
    assert "base" in shop.ids()
    shop.run("purge", "volume", "data", "--confirm", "volume data of shop krakow-1")
    assert "data" not in shop.engine.docker("volume", "ls", "--quiet").split()
    assert sorted(shop.ids()) == ["front"]


def test_a_restore_that_is_killed_gives_the_volume_back_what_it_held(shop: Agent) -> None:
    shop.engine.docker("exec", "base", "sh", "-c", "head -c 100000000 /dev/zero > /data/large; echo then > /data/log")
    shop.run("backup", "data", "--to", "data.tar")
    shop.engine.docker("exec", "base", "sh", "-c", "rm /data/large; echo now > /data/log")

    process, note = shop.start("restore", "data", "--from", "data.tar", "--yes"), shop.state / "interlude.json"
    while not (note.exists() and b'"before"' in note.read_bytes()):
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.communicate()

    assert "interrupted: restore of volume data on server, for which base was stopped" in shop.run("status", code=40)
    assert "volume data holds what it held before" in shop.run("resume")
    assert shop.engine.docker("exec", "base", "sh", "-c", "ls /data; cat /data/log").split() == ["log", "now"]
    assert "nothing was interrupted" in shop.run("resume")


def test_containers_are_stopped_and_started_in_their_order_and_history_is_told(shop: Agent) -> None:
    shop.run("stop", "front")
    assert shop.page() == ""
    shop.run("start")
    assert "version 2024.1" in shop.page()
    shop.run("restart", "server")
    assert "version 2024.1" in shop.page()

    assert "apply  2024.1  done, runs now" in shop.run("history")
    told = shop.run("receipt")
    assert "signed    by acme" in told
    assert "task      migrate ran" in told


def test_the_site_goes_whole_and_nothing_else(shop: Agent) -> None:
    shop.engine.docker("volume", "create", "foreign")
    shop.run("purge", "site", "--confirm", "site of shop krakow-1")

    assert shop.ids() == {}
    assert shop.engine.docker("volume", "ls", "--quiet") == "foreign"
