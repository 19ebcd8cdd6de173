"""`floto-agent unit`: a unit for systemd that ends at boot what a power failure interrupted."""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from agent.cli.places import add_state_option, state_of
from agent.folder import Folder
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-agent unit > /etc/systemd/system/floto-resume.service
  systemctl daemon-reload && systemctl enable floto-resume.service
"""

UNIT = """\
[Unit]
Description=End what an interrupted floto-agent has left
Documentation=man:systemd.service(5)
After=docker.service network-online.target
Wants=network-online.target
ConditionPathExists=|{journal}
ConditionPathExists=|{interlude}

[Service]
Type=oneshot
ExecStart={command} resume --unattended --state {state}
# What was taken back (30) is as it shall be; 21, 31 and 50 wait for a person.
SuccessExitStatus=30
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""


def _configure(parser: ArgumentParser) -> None:
    add_state_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    state = state_of(arguments)
    folder = Folder(state)
    command = Path(sys.executable if getattr(sys, "frozen", False) else sys.argv[0]).resolve()
    words = {"command": shlex.quote(str(command)), "state": shlex.quote(str(state))}
    terminal.say(UNIT.format(journal=folder.journal, interlude=folder.interlude, **words).rstrip())
    return ExitCode.DONE


VERB = Verb("unit", "Print a systemd unit that ends at boot what was interrupted.", _configure, _run, EXAMPLES)
