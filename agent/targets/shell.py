"""Programs on an engine's host itself: on this computer, or over the same ssh login as to its engine."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

from agent.targets.ssh import APART, ssh_command, system_environment
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Access

MOST_OUTPUT = 1 << 20
"""Bytes of a program's output that are kept, from its end."""

NOT_FOUND = 127
NO_LOGIN = 255
"""What ssh itself ends with, whatever the program does."""

_KEPT = ("HOME", "LANG", "PATH", "SYSTEMROOT", "TZ")
"""Of the agent's own variables a program here sees these: the others may hold a site's secrets."""


def no_shell(host: str) -> TargetError:
    """What to say where a host's engine is reached by a way that leads to no shell."""
    return TargetError(
        f"{host}: there is no way to run a program on the host itself; nothing was changed",
        "Reach its engine by ssh://, or run the agent on the host.",
    )


class HostShell:
    """A way to run programs on one host."""

    def __init__(self, host: str, access: Access) -> None:
        """Over ssh where that leads to the host's engine, else on this computer."""
        self._host = host
        self._access = access if access.engine.startswith("ssh://") else None

    def run(self, command: Sequence[str], deadline: int, output: Callable[[str], None]) -> int:
        """Run a program without input, hand its lines to `output`, tell its exit code; 127 where there is none such.

        TargetError when the host lets nobody in, or the program has not ended after `deadline` seconds.
        """
        # A file and no pipe: who starts something that stays, such as a service, is not waited for.
        with tempfile.TemporaryFile() as file:
            code = self._run(command, deadline, file.fileno())
            file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_OUTPUT))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
        if self._access and code == NO_LOGIN:
            said = "; ".join(lines[-3:])
            raise TargetError(
                f"{self._host}: no ssh login at {self._access.engine}: {said}", "try the same with ssh by hand"
            )
        for line in lines:
            output(line)
        return code

    def _run(self, command: Sequence[str], deadline: int, output: int) -> int:
        if self._access:
            words, variables = [*ssh_command(self._access), shlex.join(command)], system_environment()
        else:
            words, variables = list(command), {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=variables, **APART
            )
        except OSError as error:
            os.write(output, f"{words[0]}: {error.strerror}\n".encode())
            return NOT_FOUND
        try:
            return child.wait(deadline)
        except subprocess.TimeoutExpired as error:
            where = "; it may still run there" if self._access else " and was ended"
            raise TargetError(
                f"{self._host}: {shlex.join(command)} has not ended after {deadline} s{where}",
                "see on the host what it waits for; it gets no input",
            ) from error
        finally:
            _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End a program that still runs, and what it has started."""
    if child.poll() is None:
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
