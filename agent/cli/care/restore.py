"""`floto-agent restore`: a volume's content from a file that `backup` wrote."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.care.volume import add_volume_options, held
from agent.volumes import check_backup, host_of, put_back, users_of
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent restore products --from /media/stick/products.tar    (what is in the volume now is lost)
"""


def _configure(parser: ArgumentParser) -> None:
    add_volume_options(parser)
    parser.add_argument("--from", dest="file", type=Path, required=True, metavar="FILE", help="as `backup` wrote it")
    parser.add_argument("--yes", action="store_true", help="agree beforehand")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    check_backup(arguments.file)
    with held(arguments, terminal) as site:
        adopted = site.receipt.undertaking.adopted
        host = host_of(site.state, site.owner, arguments.volume, arguments.host, adopted)
        users = users_of(site.state, site.owner, host, arguments.volume)
        stopped = ", ".join(user.name for user in users if user.running) or "nothing"
        terminal.warn(f"volume {arguments.volume} on {host} loses what it holds now; stopped meanwhile: {stopped}")
        if not arguments.yes and not terminal.ask("Replace its content?"):
            terminal.warn("nothing was changed")
            return ExitCode.USAGE
        put_back(site.means, host, arguments.volume, users, arguments.file, note=site.note)
    terminal.say(f"volume {arguments.volume} on {host} holds what {arguments.file} held")
    return ExitCode.DONE


VERB = Verb("restore", "Replace a volume's content by a backup.", _configure, _run, EXAMPLES)
