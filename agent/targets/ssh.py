"""The OpenSSH client as the agent calls it: no questions, no strangers, nothing of the agent's own surroundings."""

import os
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

from bundle_format.release.deployment import Access

_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "10",
    "ExitOnForwardFailure": "yes",
    "ServerAliveInterval": "10",
    "ServerAliveCountMax": "3",
    "StrictHostKeyChecking": "yes",
    "StreamLocalBindUnlink": "yes",
}

APART: dict[str, Any]
"""How to start a program that does not hear Ctrl-C: it is for the agent, which needs the way to take all back."""
if sys.platform == "win32":
    APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    APART = {"start_new_session": True}


def ssh_command(access: Access, *further: str) -> list[str]:
    """The client's command line for the host of an ssh:// engine, up to what shall run there."""
    url = urlsplit(access.engine)
    options = dict(_OPTIONS)
    if access.ssh_known_hosts:
        options |= {"UserKnownHostsFile": access.ssh_known_hosts, "GlobalKnownHostsFile": "none"}
    if access.ssh_key:
        options |= {"IdentitiesOnly": "yes", "IdentityFile": access.ssh_key}
    arguments = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    arguments += ["-T", *further]
    if url.port:
        arguments += ["-p", str(url.port)]
    if url.username:
        arguments += ["-l", url.username]
    return ["ssh", *arguments, "--", url.hostname or ""]


def system_environment() -> dict[str, str]:
    """The variables for a program of the system: a frozen agent points the loader at its own libraries."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("LD_", "DYLD_", "PYTHON", "_PYI"))
    }
