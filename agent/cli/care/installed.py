"""`floto-agent verify --installed`: whether the hosts still hold what was signed, and how that is mended."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext

from agent.cli.changes.carrying import carry_out, settle_before
from agent.cli.changes.outlook import Outlook, outlook_of
from agent.cli.site import Site, installed, site_of
from agent.installed import Fault, find_faults, require_whole, take_away
from agent.intent import from_store
from agent.planning.view import Wishes
from agent.report.plan import finding_lines, plan_lines
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal


def verify_installed(arguments: Namespace, terminal: Terminal) -> ExitCode:
    """Look, tell, and with `--repair` mend; 40 where something is not as it was signed and was not mended."""
    site = site_of(arguments)
    with site.folder.held() if arguments.repair else nullcontext():
        if arguments.repair:
            settle_before(site, arguments, terminal)
        intent = from_store(installed(site).undertaking.source, site.store, site.keeper(terminal))
        with outlook_of(site, intent, Wishes()) as outlook:
            faults = list(find_faults(outlook.view, outlook.engines, terminal.progress()))
            _tell(outlook, faults, arguments, terminal)
            outlook.require_free_way()
            if not faults and not outlook.plan.steps:
                return ExitCode.DONE
            if not arguments.repair:
                return ExitCode.DRIFT
            require_whole(faults, outlook.view, site.store)
            if not arguments.yes and not terminal.ask("Stop these containers and make them anew?"):
                terminal.warn("nothing was changed")
                return ExitCode.DRIFT
            for fault in faults:
                if fault.image:
                    take_away(fault, outlook.view, outlook.engines[fault.host])
        wishes = Wishes(anew=frozenset(name for fault in faults for name in fault.containers))
        return _mend(site, outlook, wishes, arguments, terminal)


def _mend(site: Site, told: Outlook, wishes: Wishes, arguments: Namespace, terminal: Terminal) -> ExitCode:
    with outlook_of(site, told.intent, wishes) as outlook:
        if (outlook.plan, outlook.findings) != (told.plan, told.findings):
            outlook.tell(terminal)
        agreed = Namespace(**{**vars(arguments), "yes": True, "on_failure": "rollback"})
        return carry_out(site, outlook, agreed, terminal, "repair")


def _tell(outlook: Outlook, faults: Sequence[Fault], arguments: Namespace, terminal: Terminal) -> None:
    if arguments.json:
        terminal.json(
            {
                "faults": [{"host": fault.host, "message": fault.message} for fault in faults],
                "plan": outlook.plan.model_dump(mode="json"),
                "obstacles": [obstacle.model_dump(mode="json") for obstacle in outlook.findings.obstacles],
                "warnings": list(outlook.findings.warnings),
            }
        )
        return
    for fault in faults:
        terminal.say(f"{fault.host}: {fault.message}")
    for line in plan_lines(outlook.plan):
        terminal.say(line)
    for line in finding_lines(outlook.findings):
        terminal.warn(line)
    if not (faults or outlook.plan.steps or outlook.findings.obstacles):
        terminal.say("everything is as it was signed")
