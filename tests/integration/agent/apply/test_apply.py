"""Bundles applied to a real engine, as a person does it."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.corner_shop import BASE, PAGE, SECRET, make_shop, write_site
from tests.integration.agent.apply.conftest import ENV, Agent

pytestmark = pytest.mark.engine

LOG = "cat", "/data/log"


def test_a_release_is_applied_and_applied_again_changes_nothing(site: Agent) -> None:
    bundle = make_shop(site.folder)

    said = site.run("apply", bundle, "--yes")
    assert "create front: missing" in said
    assert "<h1>welcome</h1>\nversion 2024.1" in site.page()
    before = site.ids()

    assert "nothing to do" in site.run("apply", bundle)
    assert site.ids() == before
    assert site.engine.docker("exec", "base", *LOG) == "2024.1"


def test_a_changed_template_replaces_just_what_uses_it_and_the_plan_tells_the_line(site: Agent) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    before = site.ids()
    changed = make_shop(site.folder, sequence=2, page=PAGE.replace("version {{", "release {{"))

    planned = json.loads(site.run("plan", changed, "--json"))
    replaced = [step for step in planned["plan"]["steps"] if step["action"]["kind"] == "replace"]
    assert [step["why"] for step in replaced] == [["file /srv/www/index.html changed: line 2"]]
    site.run("plan", changed, "--detailed-exitcode", code=40)
    assert site.ids() == before

    site.run("apply", changed, "--yes")
    assert "release 2024.1" in site.page()
    after = site.ids()
    assert {name for name in after if after[name] != before[name]} == {"front"}
    assert site.engine.docker("exec", "base", *LOG) == "2024.1"


def test_a_release_that_does_not_become_healthy_is_taken_back_with_its_data(site: Agent) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    before = site.ids()
    broken = make_shop(site.folder, "2024.2", 2, healthy=False)

    said = site.run("apply", broken, "--yes", code=30)

    assert "front is not well after 15 s: running, unhealthy" in said
    assert "what ran before runs again" in said
    assert "version 2024.1" in site.page()
    assert site.engine.docker("exec", "base", *LOG) == "2024.1"
    assert site.ids().keys() == before.keys()
    assert site.ids()["front"] == before["front"]


def test_an_agent_that_is_killed_in_the_switch_goes_forward_when_it_comes_again(site: Agent) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    update = make_shop(site.folder, "2024.2", 2)
    process = site.start("apply", update, "--yes")
    while "front.floto-old" not in site.ids():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "apply of 2024.2 was interrupted in phase switch; apply ends it first" in site.run("plan", update)

    said = site.run("apply", update, "--yes")

    assert "was interrupted in phase switch" in said
    assert "version 2024.2" in site.page()
    assert sorted(site.ids()) == ["base", "front", "migrate"]
    assert site.engine.docker("exec", "base", *LOG) == "2024.1\n2024.2"
    assert "nothing to do" in site.run("apply", update)


def test_a_kept_plan_is_refused_once_the_site_has_changed(site: Agent) -> None:
    bundle = make_shop(site.folder)
    site.run("plan", bundle, "--out", "monday.plan")
    site.run("apply", bundle, "--plan", "monday.plan", "--yes")
    site.engine.docker("stop", "--time", "0", "front")

    said = site.run("apply", bundle, "--plan", "monday.plan", "--yes", code=21)

    assert "is not what monday.plan was made for" in said
    assert site.page() == ""


def test_a_kept_plan_is_refused_once_the_site_s_file_says_something_else(site: Agent) -> None:
    bundle = make_shop(site.folder)
    site.run("plan", bundle, "--out", "monday.plan")
    write_site(site.folder, site.engine.address, greeting="hello")

    said = site.run("apply", bundle, "--plan", "monday.plan", "--yes", code=21)

    assert "is not what monday.plan was made for" in said
    assert site.ids() == {}


def test_what_the_site_s_store_has_lost_comes_again_and_no_container_is_touched(site: Agent) -> None:
    bundle = make_shop(site.folder)
    site.run("apply", bundle, "--yes")
    before = site.ids()
    blobs = (path for path in (site.state / "store").rglob("*") if path.is_file())
    largest = max(blobs, key=lambda path: path.stat().st_size)
    largest.unlink()

    assert "nothing to do" in site.run("apply", bundle)
    assert largest.is_file()
    assert site.ids() == before


def test_everything_in_the_way_is_told_at_once_and_nothing_is_changed(site: Agent) -> None:
    site.engine.docker("network", "create", "shop")
    site.engine.docker("volume", "create", "data")

    said = site.run("apply", make_shop(site.folder), "--yes", code=21)

    assert "a network shop exists that is not ours" in said
    assert "a volume data exists that is not ours" in said
    assert site.ids() == {}


def test_a_port_that_a_process_of_the_host_has_is_told_before_anything_changes(site: Agent) -> None:
    listen = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 8080)); print('up', flush=True); time.sleep(60)"
    )
    with site.beside(listen):
        said = site.run("apply", make_shop(site.folder), "--yes", code=21)

    assert "front wants port 8080/tcp, but a process of the host has it" in said
    assert site.ids() == {}


@pytest.mark.parametrize(
    ("spoil", "code", "told"),
    [
        ("flip", 11, "damaged"),
        ("cut", 11, "cut short"),
        ("port", 20, "params.port"),
        ("secret", 20, "password cannot be read"),
        ("engine", 21, "cannot be reached"),
    ],
)
def test_what_is_wrong_is_told_with_its_code_and_nothing_is_changed(
    site: Agent, spoil: str, code: int, told: str
) -> None:
    bundle = make_shop(site.folder)
    content = bytearray(bundle.read_bytes())
    match spoil:
        case "flip":
            content[len(content) // 2] ^= 1
            bundle.write_bytes(content)
        case "cut":
            bundle.write_bytes(content[:-1])
        case "port":
            write_site(site.folder, site.engine.address, port="eighty")
        case "secret":
            (site.folder / "password").unlink()
        case "engine":
            write_site(site.folder, "unix:///nowhere.sock")

    assert told in site.run("apply", bundle, "--yes", code=code)
    assert site.ids() == {}


def test_an_unknown_key_and_an_older_bundle_are_refused(site: Agent) -> None:
    site.run("apply", make_shop(site.folder, "2024.2", 2), "--yes")
    assert "sequence" in site.run("apply", make_shop(site.folder, "2024.1", 1), "--yes", code=10)

    shutil.rmtree(site.state)
    shutil.rmtree(site.folder / "state.trust")
    site.run("apply", make_shop(site.folder, "2024.2", 2), "--yes", code=10)


def test_a_secret_is_nowhere_but_in_the_container_that_asked_for_it(site: Agent) -> None:
    bundle = make_shop(site.folder, migration="echo {version} >> /data/log; echo password is $PASSWORD")
    said = site.run("apply", bundle, "--yes") + site.run("plan", bundle, "--json")

    assert SECRET in site.page()
    assert SECRET not in said
    for path in site.state.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert "password is [secret]" in _text_under(site.state / "tasks")
    labels = site.engine.docker("inspect", "--format", "{{json .Config.Labels}}", "front", "base", "migrate")
    assert "floto.spec" in labels
    assert SECRET not in labels


def test_threat_27_one_agent_at_a_time_and_the_next_when_the_first_was_killed(site: Agent) -> None:
    bundle = make_shop(site.folder, web={"command": ["sleep", "inf"]})
    first = site.start("apply", bundle, "--yes")
    while "front" not in site.ids():
        time.sleep(0.02)

    assert "another agent works on this site: process" in site.run("apply", bundle, "--yes", code=50)
    first.kill()
    first.communicate()
    site.run("apply", make_shop(site.folder, "2024.2", 2), "--yes")
    assert "version 2024.2" in site.page()


def test_a_person_who_stops_the_agent_gets_back_what_ran(site: Agent) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    process = site.start("apply", make_shop(site.folder, "2024.2", 2, healthy=False), "--yes")
    while "front.floto-old" not in site.ids():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)

    assert process.returncode == 30, messages
    assert "stopped, as you asked" in messages
    assert "version 2024.1" in site.page()


def _text_under(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())


def test_threat_26_rollback_needs_no_stick_and_sets_the_data_back(site: Agent) -> None:
    one, two = make_shop(site.folder), make_shop(site.folder, "2024.2", 2)
    site.run("apply", one, "--yes")
    site.run("apply", two, "--yes")
    one.unlink()
    two.unlink()
    assert site.engine.docker("exec", "base", *LOG) == "2024.1\n2024.2"

    assert "without --only" in site.run("rollback", "--yes", "--only", "front", code=2)
    assert "version 2024.2" in site.page()

    said = site.run("rollback", "--yes")

    assert "volume data on server is set back to its backup" in said
    assert "version 2024.1" in site.page()
    assert site.engine.docker("exec", "base", *LOG) == "2024.1"
    assert json.loads(site.run("status", "--json"))["version"] == "2024.1"
    assert "never ran on this site" in site.run("rollback", "1999.1", code=12)


def test_what_runs_after_a_rollback_takes_a_change_of_the_site_s_file(site: Agent) -> None:
    one = make_shop(site.folder)
    site.run("apply", one, "--yes")
    site.run("apply", make_shop(site.folder, "2024.2", 2), "--yes")
    assert "this site took 2 already" in site.run("plan", one, code=10)
    site.run("rollback", "--yes")
    write_site(site.folder, site.engine.address, greeting="hello")

    assert "replace front" in site.run("plan", one)
    site.run("apply", one, "--yes")

    assert "<h1>hello</h1>\nversion 2024.1" in site.page()
    other = make_shop(site.folder, page=PAGE.replace("version {{", "release {{"))
    assert "this site took 2 already" in site.run("apply", other, "--yes", code=10)


def test_redeploy_makes_a_container_anew_and_keeps_the_data(site: Agent) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    before = site.ids()

    site.run("redeploy", "base", "--yes")

    assert {name for name, number in site.ids().items() if number != before[name]} == {"base"}
    assert site.engine.docker("exec", "base", *LOG) == "2024.1"


def test_status_and_logs_tell_what_is_wrong(site: Agent) -> None:
    site.run("apply", make_shop(site.folder, migration="echo started; echo done"), "--yes")
    assert json.loads(site.run("status", "--json"))["as_it_shall_be"]
    assert "migrate | done" in site.run("logs", "--grep", "done")

    site.engine.docker("update", "--memory", "64m", "--memory-swap", "64m", "front")
    site.engine.docker("stop", "--time", "0", "base")
    said = site.run("status", "--disk", "--prometheus", "floto.prom", code=40) + site.run("status", code=40)
    assert "server: base: stopped, exit code 137" in said
    assert "server: front: drift: memory edited by hand" in said
    assert 'floto_container_well{product="shop",site="krakow-1",host="server",container="front"} 1' in (
        site.folder / "floto.prom"
    ).read_text(encoding="utf-8")

    site.run("apply", make_shop(site.folder, migration="echo started; echo done"), "--yes")
    site.run("status")


def test_abort_takes_back_what_a_killed_agent_left(site: Agent) -> None:
    site.run("apply", make_shop(site.folder), "--yes")
    process = site.start("apply", make_shop(site.folder, "2024.2", 2), "--yes")
    while "front.floto-old" not in site.ids():
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert "interrupted: apply in phase switch" in site.run("status", code=40)
    read_only = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    looking = ["unshare", "--mount", "sh", "-c", read_only, site.state, *site.command("status")]
    looked = subprocess.run(looking, cwd=site.folder, env=ENV, capture_output=True, text=True, check=False)
    assert looked.returncode == 40 and "interrupted: apply in phase switch" in looked.stdout, looked.stderr

    site.run("abort", "--yes")
    assert "version 2024.1" in site.page()
    assert "nothing was interrupted" in site.run("resume")


def test_what_was_run_by_hand_is_adopted_with_its_data(site: Agent) -> None:
    site.engine.docker("import", "-", "by-hand:1", content=BASE)
    mounted = ("--volume", "data:/data", "--name", "base")
    site.engine.docker("run", "--detach", *mounted, "by-hand:1", "sh", "-c", "echo by hand > /data/log; sleep 1000")
    by_hand = site.ids()
    bundle = make_shop(site.folder)
    adopting = ("--adopt", "base", "--adopt", "data")
    assert "--adopt base" in site.run("apply", bundle, "--yes", code=21)

    site.run("apply", make_shop(site.folder, sequence=2, healthy=False), "--yes", *adopting, code=30)
    assert site.ids() == by_hand
    assert site.engine.docker("exec", "base", *LOG) == "by hand"

    site.run("apply", bundle, "--yes", *adopting)
    assert site.engine.docker("exec", "base", *LOG) == "by hand\n2024.1"
    assert sorted(site.ids()) == ["base", "front", "migrate"]
    assert "nothing to do" in site.run("apply", bundle)
    site.run("backup", "data", "--to", site.folder / "data.tar")
    site.run("status")


def test_more_memory_comes_in_place_and_goes_with_a_change_that_fails(site: Agent) -> None:
    def memory() -> str:
        return site.engine.docker("inspect", "--format", "{{.HostConfig.Memory}}", "front")

    small, large = {"memory": 64 << 20}, {"memory": 128 << 20}
    site.run("apply", make_shop(site.folder, web=small), "--yes")
    before = site.ids()
    sick = {"host": "server", "image": "web", "command": ["false"], "health_deadline": 4}
    failing = make_shop(site.folder, sequence=2, web=large, containers={"sick": sick})
    site.run("apply", failing, "--yes", "--max-parallel", "1", code=30)
    assert (memory(), site.ids()) == (str(64 << 20), before)

    said = site.run("apply", make_shop(site.folder, sequence=3, web=large), "--yes")
    assert "update in place front: memory changed" in said
    assert "stands still" not in said
    assert (memory(), site.ids()) == (str(128 << 20), before)

    site.engine.docker("update", "--restart", "no", "front")
    assert "front: drift: restart policy edited by hand" in site.run("status", code=40)
    site.run("rollback", "--yes")
    assert (memory(), site.ids()) == (str(64 << 20), before)
    assert "version 2024.1" in site.page()
    site.run("status")
