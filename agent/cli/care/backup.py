"""`floto-agent backup`: a volume's content in a file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.care.volume import add_volume_options, held
from agent.volumes import back_up, host_of, users_of
from bundle_format.errors import ExitCode
from bundle_format.shown.sizes import size_text
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent backup products --to /media/stick/products.tar    (who uses the volume stops meanwhile)
"""


def _configure(parser: ArgumentParser) -> None:
    add_volume_options(parser)
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="a tar, for its owner alone to read")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with held(arguments, terminal) as site:
        adopted = site.receipt.undertaking.adopted
        host = host_of(site.state, site.owner, arguments.volume, arguments.host, adopted)
        users = users_of(site.state, site.owner, host, arguments.volume)
        back_up(site.means, host, arguments.volume, users, arguments.to, note=site.note)
    terminal.say(f"{arguments.to}: {size_text(arguments.to.stat().st_size)} of volume {arguments.volume} on {host}")
    return ExitCode.DONE


VERB = Verb("backup", "Write a volume's content to a file.", _configure, _run, EXAMPLES)
