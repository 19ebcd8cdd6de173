"""An ssh server beside a private engine, as a remote host has one, with keys of its own."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

from bundle_format.release.deployment import Access
from tests.engines import PrivateEngine

SSHD = "/usr/sbin/sshd"


def ssh_missing() -> str | None:
    """Why there can be no ssh server here; None if there can."""
    return None if shutil.which(SSHD) and shutil.which("ssh-keygen") else "not installed: sshd (Debian: openssh-server)"


class SshServer:
    """A context manager; `access` is what a site's file says to reach the engine through it."""

    def __init__(self, engine: PrivateEngine, address: str, folder: Path, port: int = 2222) -> None:
        """Serve on `address`, the engine's end of its cable; keys are made in `folder`, which must exist."""
        self._engine = engine
        self._place = (address, port)
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        for name in ("host", "user"):
            make_key(folder / name)
        self.access = Access(
            engine=f"ssh://root@{address}:{port}{engine.address.removeprefix('unix://')}",
            ssh_key=str(folder / "user"),
            ssh_known_hosts=str(self.known_as(folder / "host")),
        )

    def __enter__(self) -> "SshServer":
        options = {
            "Port": str(self._place[1]),
            "HostKey": str(self._folder / "host"),
            "AuthorizedKeysFile": str(self._folder / "user.pub"),
            "PidFile": "none",
            "UsePAM": "no",
            "StrictModes": "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
        }
        arguments = [part for option, value in options.items() for part in ("-o", f"{option}={value}")]
        Path("/run/sshd").mkdir(exist_ok=True)
        command = self._engine.inside(SSHD, "-D", "-e", "-f", "/dev/null", *arguments)
        self._server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.kill()
            self._server.wait()

    def known_as(self, key: Path) -> Path:
        """A file of known hosts that expects `key` of this server."""
        known = key.with_suffix(".known")
        public = " ".join(key.with_suffix(".pub").read_text(encoding="ascii").split()[:2])
        known.write_text(f"[{self._place[0]}]:{self._place[1]} {public}\n", encoding="ascii")
        return known

    def _wait(self) -> None:
        for _ in range(100):
            try:
                socket.create_connection(self._place, timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(f"no ssh server on {self._place}")


def make_key(path: Path) -> Path:
    """A fresh key without a passphrase; its public half lies beside it as `.pub`."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path
