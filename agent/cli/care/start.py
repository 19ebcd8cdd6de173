"""`floto-agent start`: start containers of the release, in their order."""

from argparse import Namespace
from collections.abc import Mapping

from agent.applying.means import Means
from agent.care import start
from agent.cli.care.power import act_on, configure
from agent.history import Placed
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent start front       (what it needs and does not run first)
  floto-agent start server      (all of a host, its machine first)
"""


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    def act(means: Means, containers: Mapping[str, Placed], names: tuple[str, ...]) -> None:
        start(means, containers, names)

    return act_on(arguments, terminal, act, needs=True)


VERB = Verb(
    "start", "Start containers of the release; what they need and does not run starts first.", configure, _run, EXAMPLES
)
