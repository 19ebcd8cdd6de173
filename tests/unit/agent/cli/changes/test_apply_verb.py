"""`floto-agent apply`, as far as no real engine is needed."""

from tests.unit.agent.cli.conftest import SECRET, Agent


def test_why_a_health_check_failed_is_told_without_secrets_and_kept(running: Agent) -> None:
    check = {"test": ["CMD", "cat", f"/{SECRET}"], "interval": 1, "retries": 1}
    broken = running.bundle("2", 2, healthcheck=check, health_deadline=3)

    said = running.run("apply", broken, "--yes", code=30)

    told = (
        "front is not well after 3 s: running, unhealthy\n"
        "  health check of front: exit code 1\n"
        "  health check of front: cat: can't open '/[secret]': No such file or directory\n"
    )
    assert told in said and told in running.run("receipt")
    assert "floto-agent receipt tells this again" in said


def test_a_plan_that_is_not_there_is_told_in_plain_words(shop: Agent) -> None:
    said = shop.run("apply", shop.bundle(), "--plan", "nope.plan", code=2)

    assert "error: the plan nope.plan cannot be read: No such file or directory\n" in said
