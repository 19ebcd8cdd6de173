"""`floto-agent restart`: stop and start containers of the release, in their order."""

from argparse import Namespace
from collections.abc import Mapping

from agent.applying.means import Means
from agent.care import require_unprotected, restart
from agent.cli.care.power import act_on, configure
from agent.cli.site import site_of
from agent.history import Placed
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent restart front
  floto-agent restart server      (all of a host)
"""


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    note = site_of(arguments).folder.interlude

    def act(means: Means, containers: Mapping[str, Placed], names: tuple[str, ...]) -> None:
        require_unprotected(containers, names, arguments.unprotect)
        restart(means, containers, names, note)

    return act_on(arguments, terminal, act)


VERB = Verb("restart", "Stop and start containers of the release.", configure, _run, EXAMPLES)
