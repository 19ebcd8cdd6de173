"""`floto-agent stop`: stop containers of the release, in their order."""

from argparse import Namespace
from collections.abc import Mapping

from agent.applying.means import Means
from agent.care import require_unprotected, stop
from agent.cli.care.power import act_on, configure
from agent.history import Placed
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent stop front
  floto-agent stop server      (all of a host)
"""


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    def act(means: Means, containers: Mapping[str, Placed], names: tuple[str, ...]) -> None:
        require_unprotected(containers, names, arguments.unprotect)
        stop(means, containers, names)

    return act_on(arguments, terminal, act)


VERB = Verb("stop", "Stop containers of the release by their own signals.", configure, _run, EXAMPLES)
