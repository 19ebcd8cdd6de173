"""What verbs share that plan: the intent beside the state of the site, what that makes of it, and how it is told."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from agent.cli.machinery import hypervisors_of, used
from agent.cli.site import Site, engines_of, unfinished
from agent.history import History, read_history
from agent.intent import Intent
from agent.labels import Owner
from agent.observe import observe
from agent.planning.adoption import with_adopted
from agent.planning.plan import make_plan
from agent.planning.view import View, Wishes
from agent.preflight import Findings, Staging, preflight
from agent.report.plan import finding_lines, plan_lines
from agent.steps import Plan
from agent.targets.engine import Engine
from agent.targets.hypervisor import Hypervisor
from bundle_format.errors import FlotoError, PreflightError
from bundle_format.release.deployment import Container, Deployment
from bundle_format.release.service import Service
from bundle_format.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Outlook:
    """An intent, what it takes on this site now, and what stands against it."""

    intent: Intent
    history: History
    engines: dict[str, Engine]
    hypervisors: Mapping[str, Hypervisor]
    view: View
    plan: Plan
    findings: Findings

    def to_json(self) -> dict[str, Any]:
        """For scripts and for `--plan FILE`; it holds no secret."""
        source = self.intent.source
        return {
            "format": "floto-plan/1",
            "product": source.product,
            "version": source.version,
            "site": source.site,
            "release": source.release,
            "site_file": source.site_file,
            "plan": self.plan.model_dump(mode="json"),
            "obstacles": [obstacle.model_dump(mode="json") for obstacle in self.findings.obstacles],
            "warnings": list(self.findings.warnings),
        }

    def tell(self, terminal: Terminal) -> None:
        """Show the plan and all that should be known before it."""
        source = self.intent.source
        terminal.say(f"{source.product} {source.version} on site {source.site}")
        for line in plan_lines(self.plan):
            terminal.say(line)
        for line in finding_lines(self.findings):
            terminal.warn(line)
        if not self.plan.steps and not self.findings.obstacles:
            terminal.say("nothing to do")

    def require_free_way(self) -> None:
        """PreflightError when anything stands against the plan."""
        count = len(self.findings.obstacles)
        if count:
            raise PreflightError(
                f"{count} obstacle{'s' if count > 1 else ''} in the way, told above; nothing was changed",
                "Mend them and run the same command again.",
            )


@contextmanager
def outlook_of(site: Site, intent: Intent, wishes: Wishes) -> Iterator[Outlook]:
    """Look at the site with an intent in mind; its engines stay open in the block."""
    deployment, source = intent.deployment, intent.source
    require_known(deployment, wishes)
    history = read_history(site.folder)
    before = history.current.undertaking.hosts if history.current else {}
    chosen = {
        host: made
        for host, made in {**before, **deployment.hosts}.items()
        if not wishes.only or host in _hosts_of(intent, wishes)
    }
    owner = Owner(source.product, source.site)
    accesses = used(intent.hypervisors, (host for host in chosen.values() if host.name in deployment.hosts))
    with (
        hypervisors_of(accesses, owner, site, intent.keeper) as (hypervisors, mute),
        engines_of(chosen, owner) as (engines, silent),
    ):
        state = observe(engines, silent, deployment, hypervisors, mute)
        view = with_adopted(View(deployment, state, history, wishes, intent.sizes))
        for engine in engines.values():
            engine.adopt(view.adopted)
        plan = make_plan(deployment, state, history, wishes, intent.sizes)
        free = shutil.disk_usage(site.folder.root).free
        findings = preflight(view, plan, Staging(intent.missing, free, str(site.folder.root), intent.packed))
        yield Outlook(intent, history, engines, hypervisors, view, plan, findings)


def notes_on_unfinished(site: Site) -> Iterator[str]:
    """What to know beside a plan where an earlier change has not ended."""
    if change := unfinished(site):
        if change.holder:
            what = "it may change this plan"
        elif change.course.left is not None:
            what = "before it has ended nothing is applied: floto-agent resume, or floto-agent abort"
        else:
            what = "apply ends it first, which may change this plan"
        yield f"{change}; {what}"


def _hosts_of(intent: Intent, wishes: Wishes) -> set[str]:
    deployment = intent.deployment
    tasks = (task.container for task in deployment.tasks.values())
    things: list[Container | Service] = [*deployment.containers.values(), *tasks, *deployment.services.values()]
    return {thing.host for thing in things if thing.name in wishes.only} | (wishes.only & deployment.hosts.keys())


def require_known(deployment: Deployment, wishes: Wishes) -> None:
    """FlotoError when a wish names what the release does not have."""
    things = deployment.containers.keys() | deployment.tasks.keys()
    for names, known, kinds in (
        (
            wishes.only | wishes.anew,
            things | deployment.services.keys() | deployment.hosts.keys(),
            "host, container, task or service",
        ),
        (
            wishes.adopt,
            things | deployment.networks.keys() | deployment.volumes.keys(),
            "container, task, network or volume",
        ),
    ):
        if unknown := sorted(names - known):
            raise FlotoError(
                f"the release has no {kinds} called {', '.join(unknown)}", f"It has: {', '.join(sorted(known))}"
            )
