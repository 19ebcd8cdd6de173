"""Other programs as child processes: their output line by line, and an end to them when the work is called off."""

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from bundle_format.digest import chunks
from bundle_format.errors import DefinitionError
from bundle_format.progress import Task

LOG_TAIL = 20
"""Lines of a failed program's output that its error shows."""

_HEARTBEAT = 0.5
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "JAVA_HOME",
    "MAVEN_HOME",
    "MAVEN_OPTS",
    "GRADLE_USER_HOME",
    "GOPATH",
    "CARGO_HOME",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "COMSPEC",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMFILES",
    "PROGRAMDATA",
)


def settled_environment(outer: Mapping[str, str], epoch: int, added: Mapping[str, str]) -> dict[str, str]:
    """The environment of programs that make things: what finds tools, a fixed locale and time zone, and `added`."""
    kept = {name: outer[name] for name in _INHERITED if name in outer}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SOURCE_DATE_EPOCH": str(epoch)} | dict(added)


class Child:
    """How a program is run: where, with which environment, who hears its lines, and the task that it belongs to."""

    def __init__(self, folder: Path, env: Mapping[str, str], log: Callable[[str], None], task: Task) -> None:
        self._folder = folder
        self._env = dict(env)
        self._log = log
        self._task = task

    def run(self, command: Sequence[str], content: BinaryIO | None = None, what: str = "") -> None:
        """Run to the end, with `content` as its input; DefinitionError, with its last lines, unless it succeeds.

        `what` is what the error calls it instead of the whole command.
        """
        said: list[str] = []
        with self._started(command, content) as process:
            for line in self._lines(process):
                self._log(line)
                said.append(line)
                del said[:-LOG_TAIL]
        if process.returncode:
            tail = "".join(f"\n  {line}" for line in said)
            raise DefinitionError(f"{what or ' '.join(command)} failed with exit code {process.returncode}{tail}")

    @contextmanager
    def _started(self, command: Sequence[str], content: BinaryIO | None) -> Iterator[subprocess.Popen[bytes]]:
        try:
            process = subprocess.Popen(
                [self._program(command[0]), *command[1:]],
                cwd=self._folder,
                env=self._env,
                stdin=subprocess.PIPE if content else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022 if os.name == "posix" else -1,
            )
        except OSError as error:
            raise DefinitionError(f"{command[0]} cannot be run: {error.strerror}", "Install it.") from error
        with ThreadPoolExecutor(1) as feeder:
            fed = feeder.submit(_feed, process, content)
            try:
                yield process
            finally:
                _end(process)
        fed.result()

    def _lines(self, process: subprocess.Popen[bytes]) -> Iterator[str]:
        """The lines until the end; the task hears of time that passes, so that it can call the work off."""
        assert process.stdout
        heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(process.stdout, heard), daemon=True).start()
        while True:
            try:
                line = heard.get(timeout=_HEARTBEAT)
            except queue.Empty:
                # What the program has started may outlive it with its output open.
                line = None if process.poll() is not None else ""
            self._task.advance(0)
            if line is None:
                break
            if line:
                yield _COLOUR.sub("", line.rstrip())
        process.wait()

    def _program(self, name: str) -> str:
        if "/" in name:
            return str(self._folder / name)
        return shutil.which(name, path=self._env.get("PATH")) or name


def _listen(output: IO[bytes], heard: "queue.SimpleQueue[str | None]") -> None:
    for line in output:
        heard.put(line.decode(errors="replace"))
    heard.put(None)


def _feed(process: subprocess.Popen[bytes], content: BinaryIO | None) -> None:
    if content is None or process.stdin is None:
        return
    with contextlib.suppress(OSError), process.stdin as channel:
        for piece in chunks(content):
            channel.write(piece)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing running: neither the program nor what it has started."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
