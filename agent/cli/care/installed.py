"""`floto-agent verify --installed`: whether the hosts still hold what was signed, and how that is mended."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext

from agent.cli.changes.carrying import carry_out, settle_before
from agent.cli.changes.outlook import Outlook, outlook_of
from agent.cli.site import Site, installed, site_of
from agent.installed import Fault, find_faults, require_whole, take_away
from agent.intent import Intent, from_store
from agent.planning.view import Wishes
from agent.report.plan import plan_lines
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
            outlook.require_free_way()
            faults = list(find_faults(outlook.view, outlook.engines, terminal.progress()))
            _tell(outlook, faults, arguments, terminal)
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
        return _mend(site, intent, faults, arguments, terminal)


def _mend(site: Site, intent: Intent, faults: Sequence[Fault], arguments: Namespace, terminal: Terminal) -> ExitCode:
    wishes = Wishes(anew=frozenset(name for fault in faults for name in fault.containers))
    with outlook_of(site, intent, wishes) as outlook:
        outlook.tell(terminal)
        agreed = Namespace(**{**vars(arguments), "yes": True, "on_failure": "rollback"})
        return carry_out(site, outlook, agreed, terminal, "repair")


def _tell(outlook: Outlook, faults: Sequence[Fault], arguments: Namespace, terminal: Terminal) -> None:
    if arguments.json:
        terminal.json(
            {
                "faults": [{"host": fault.host, "message": fault.message} for fault in faults],
                "plan": outlook.plan.model_dump(mode="json"),
            }
        )
        return
    for fault in faults:
        terminal.say(f"{fault.host}: {fault.message}")
    terminal.say("\n".join(plan_lines(outlook.plan)) or ("" if faults else "everything is as it was signed"))
