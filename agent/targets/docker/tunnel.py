"""A way to an engine's socket over ssh: a child of the OpenSSH client that forwards it to a private socket here."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from urllib.parse import urlsplit

from agent.targets.ssh import APART, ssh_command, system_environment
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Access

READY = "floto-ready"
REMOTE_SOCKET = "/var/run/docker.sock"
LOGIN_SECONDS = 30


class Tunnel:
    """An ssh login that lives until `close`, or until the agent dies: it ends with its standard input."""

    def __init__(self, host: str, access: Access) -> None:
        """Log in and wait until the forwarding stands; TargetError with what ssh said if it does not."""
        self._folder = tempfile.TemporaryDirectory(prefix="floto-")
        self._errors = Path(self._folder.name, "stderr")
        self.address, local = self._ends()
        remote = urlsplit(access.engine).path.rstrip("/") or REMOTE_SOCKET
        command = [*ssh_command(access, "-L", f"{local}:{remote}"), f"echo {READY}; cat"]
        try:
            with self._errors.open("wb") as errors:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=system_environment(),
                    **APART,
                )
        except OSError as error:
            self._folder.cleanup()
            raise TargetError(
                f"{host}: cannot start the ssh client: {error.strerror}; nothing was changed",
                "install OpenSSH's client",
            ) from error
        if not self._stands():
            said = self.complaint() or f"no login within {LOGIN_SECONDS} s"
            self.close()
            raise TargetError(
                f"{host}: no ssh login at {access.engine}: {said}; nothing was changed",
                "try the same with ssh by hand; the host's key must be in the known hosts and no question be asked",
            )

    def close(self) -> None:
        """Log out; harmless when repeated."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                pipe.close()
        self._folder.cleanup()

    def complaint(self) -> str:
        """What ssh said went wrong, empty if nothing."""
        try:
            said = self._errors.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "; ".join(line for line in said.splitlines()[-3:] if line.strip())

    def _stands(self) -> bool:
        timer = Timer(LOGIN_SECONDS, self._child.kill)
        timer.start()
        try:
            assert self._child.stdout
            lines: Iterator[bytes] = iter(self._child.stdout.readline, b"")
            return any(line.strip() == READY.encode() for line in lines)
        finally:
            timer.cancel()

    def _ends(self) -> tuple[str, str]:
        # Windows' Python knows no unix sockets: there a port of the loopback serves.
        if sys.platform != "win32":
            path = f"{self._folder.name}/engine"
            return f"unix://{path}", path
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return f"tcp://127.0.0.1:{port}", f"127.0.0.1:{port}"
