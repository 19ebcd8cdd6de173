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
  floto-agent start front
  floto-agent start server      (all of a host, its machine first)
"""


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    def act(means: Means, containers: Mapping[str, Placed], names: tuple[str, ...]) -> None:
        start(means, containers, names)

    return act_on(arguments, terminal, act, machines=True)


VERB = Verb(
    "start", "Start containers of the release, each once those that it needs are well.", configure, _run, EXAMPLES
)
