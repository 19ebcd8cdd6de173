"""Real engines for tests: a dockerd with namespaces, data and socket of its own, gone without a trace afterwards.

Each engine lives in network, mount and process namespaces of its own, so that several run side by side, also where the
tests themselves run without a network, and the kernel cleans up when the first process of the namespace dies.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

NEWER_ROOT = "FLOTO_TEST_NEWER_ENGINE"
"""Environment variable: a root with a newer docker in it, instead of the one that scripts/newer-engine makes."""

_INIT = """
set -e
mount --make-rprivate /
ip link set lo up
[ -z "$NAME" ] || hostname "$NAME"
if [ -n "$ROOM" ]; then
    mkdir "$FOLDER/data"
    mount -t tmpfs -o "size=$ROOM" tmpfs "$FOLDER/data"
fi
if [ "$ROOT" != / ]; then
    mount --bind "$ROOT" "$ROOT"
    mount -t proc proc "$ROOT/proc"
    mount --rbind /sys "$ROOT/sys"
    mount --rbind /dev "$ROOT/dev"
    mount -t tmpfs tmpfs "$ROOT/run"
    mount -t tmpfs tmpfs "$ROOT/tmp"
    mkdir -p "$ROOT$FOLDER" "$ROOT/run/former"
    mount --rbind "$FOLDER" "$ROOT$FOLDER"
    # It becomes the namespace's own root: were it a folder only, what is run in a container that is there already (a
    # check of its health, too) would find itself in the root of this computer.
    cd "$ROOT"
    pivot_root . run/former
    cd /
    umount --lazy /run/former
    rmdir /run/former
fi
touch "$FOLDER/ready"
while :; do sleep 86400 & wait; done
"""


_RUNTIME = """#!/bin/sh
case " $* " in *" start "*)
    if [ -e "$FOLDER/hold" ]; then
        touch "$FOLDER/held"
        while [ -e "$FOLDER/hold" ]; do sleep 0.02; done
        exit 1
    fi;;
esac
exec runc "$@"
"""
"""What starts containers: runc, but a start can be held (`PrivateEngine.die_amid_start`)."""


def missing() -> str | None:
    """Why no real engine can be started here; None if one can."""
    lacking = [
        tool for tool in ("dockerd", "containerd", "ip", "iptables", "unshare", "nsenter") if not shutil.which(tool)
    ]
    if lacking:
        return f"not installed: {', '.join(lacking)} (Debian: docker.io iproute2 iptables util-linux)"
    if os.geteuid() != 0:
        return "a private dockerd needs root"
    return None


class PrivateEngine:
    """A dockerd of one's own; a context manager. `address` is its unix socket as an agent is told it."""

    def __init__(
        self,
        *options: str,
        root: Path = Path("/"),
        features: Mapping[str, bool] | None = None,
        room: int | None = None,
        name: str = "",
        parent: Path | None = None,
    ) -> None:
        """`options` and `features` go to dockerd, whose programs are taken from `root`; `room` is its disk in bytes.

        `name` is what its host is called, if not as this one; `parent` is where its folder is, if not with others.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="floto-engine-", dir=parent))
        self.address = f"unix://{self.folder}/docker.sock"
        self._root = root
        self._options = list(options)
        self._room = room
        self._name = name
        runtime = self.folder / "runtime"
        runtime.write_text(_RUNTIME.replace("$FOLDER", str(self.folder)), encoding="utf-8")
        runtime.chmod(0o755)
        settings = {"features": features or {}, "runtimes": {"held": {"path": str(runtime)}}, "default-runtime": "held"}
        (self.folder / "daemon.json").write_text(json.dumps(settings), encoding="utf-8")
        self._init: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PrivateEngine":
        unshare = ["unshare", "--net", "--mount", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child=KILL"]
        room = str(self._room or "")
        environment = {
            **os.environ,
            "ROOT": str(self._root),
            "FOLDER": str(self.folder),
            "ROOM": room,
            "NAME": self._name,
        }
        try:
            self._init = subprocess.Popen([*unshare, "sh", "-c", _INIT], env=environment, start_new_session=True)
            _wait((self.folder / "ready").exists, "the namespaces of a test engine")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._daemon, self._init):
            if process:
                process.kill()
                process.wait()
        # os.walk, unlike glob, does not mind that other engines' groups go away meanwhile.
        groups = [Path(place) for place, _, _ in os.walk("/sys/fs/cgroup")]
        for group in reversed([group for group in groups if self.folder.name in group.parts]):
            with suppress(OSError):
                group.rmdir()
        _wait(lambda: _removed(self.folder), "the folder of a test engine to become free")

    @property
    def pid(self) -> int:
        """The first process in the engine's namespaces, as nsenter wants it."""
        assert self._init
        return _child(self._init.pid)

    @property
    def log(self) -> str:
        """What dockerd said so far."""
        return (self.folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")

    def inside(self, *command: str) -> list[str]:
        """`command` as it is to be run inside the engine's namespaces."""
        return ["nsenter", "-t", str(self.pid), "--net", "--mount", "--pid", "--uts", "--", *command]

    def beside(self, *command: str) -> list[str]:
        """A program of this computer as it is to be run on the engine's network."""
        return ["nsenter", "-t", str(self.pid), "--net", "--", *command]

    def start(self) -> None:
        """Start dockerd (again) and wait until it answers."""
        dockerd = [
            "dockerd",
            f"--config-file={self.folder}/daemon.json",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/pid",
            f"--host={self.address}",
            f"--cgroup-parent=/{self.folder.name}",
            *self._options,
        ]
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "dockerd.log").open("ab") as log:
            self._daemon = subprocess.Popen(self.inside(*dockerd), stdout=log, stderr=log)
        try:
            _wait(self._answers, "a test engine")
        except TimeoutError as error:
            raise RuntimeError(f"dockerd did not start:\n{self.log[-4000:]}") from error

    def send(self, given: signal.Signals) -> None:
        """Give dockerd a signal: SIGSTOP makes it fall silent until SIGCONT."""
        assert self._daemon
        with suppress(ProcessLookupError):
            os.kill(_child(self._daemon.pid), given)

    def kill(self) -> None:
        """End dockerd alone and at once; its containers live or die as they would on a host."""
        assert self._daemon
        self.send(signal.SIGKILL)
        self._daemon.wait()

    def die_amid_start(self, container: str) -> None:
        """Kill dockerd once it has made a container's process, before its program begins; then start dockerd again."""
        hold, held = self.folder / "hold", self.folder / "held"
        hold.touch()
        command = ["docker", f"--host={self.address}", "start", container]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            _wait(held.exists, "a start to be held")
            self.kill()
        hold.unlink()
        held.unlink()
        self.start()

    def docker(self, *arguments: str, check: bool = True, content: bytes | None = None) -> str:
        """Run the docker client against this engine, as an operator would; what it prints."""
        command = ["docker", f"--host={self.address}", *arguments]
        done = subprocess.run(command, input=content, capture_output=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def link(self, ours: str, theirs: str, bridge: str = "") -> None:
        """Join the engine's network to ours by a cable with these addresses (such as 10.213.0.1/30) at its ends.

        A cable into a `bridge` of ours needs no address there.
        """
        near, far = f"f{self.pid}a", f"f{self.pid}b"
        for command in (
            ["ip", "link", "add", near, "type", "veth", "peer", "name", far],
            ["ip", "link", "set", far, "netns", str(self.pid)],
            ["ip", "link", "set", near, "master", bridge] if bridge else ["ip", "addr", "add", ours, "dev", near],
            ["ip", "link", "set", near, "up"],
            self.inside("ip", "addr", "add", theirs, "dev", far),
            self.inside("ip", "link", "set", far, "up"),
        ):
            subprocess.run(command, check=True)

    def _answers(self) -> bool:
        assert self._daemon
        if self._daemon.poll() is not None:
            raise RuntimeError(f"dockerd ended:\n{self.log[-4000:]}")
        return self.docker("version", "--format", "{{.Server.Version}}", check=False) != ""


def _child(pid: int) -> int:
    """The only child of a process that unshared or entered a namespace."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else pid


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _wait(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


KINDS = ("docker", "containerd", "newer")
"""The engines to try: the one installed, a newer one that keeps images in containerd, and one with a classic store."""

EVERYDAY = ("docker", "containerd")
"""Those that everyday tests try; the long suite tries all."""


def each_kind(everyday: Collection[str] = EVERYDAY) -> list[Any]:
    """The kinds as parameters of a test, those beyond everyday's marked as slow."""
    return [
        pytest.param(kind, marks=[pytest.mark.engine] if kind in everyday else [pytest.mark.engine, pytest.mark.slow])
        for kind in KINDS
    ]


def made_engine(kind: str) -> PrivateEngine:
    """An engine of a kind, not started; skips the test, and says why, where there is none."""
    if why := missing():
        pytest.skip(why)
    if kind == "docker":
        return PrivateEngine()
    root = newer_root()
    if isinstance(root, str):
        pytest.skip(root)
    return PrivateEngine(root=root, features={"containerd-snapshotter": kind == "containerd"})


@cache
def newer_root() -> Path | str:
    """The root of a newer distribution with docker in it, made at need and kept in .work; why there is none."""
    if given := os.environ.get(NEWER_ROOT):
        return Path(given)
    made = subprocess.run([ROOT / "scripts" / "newer-engine"], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"no newer docker: scripts/newer-engine failed: {made.stderr.strip()}"
    return ROOT / ".work" / "newer-engine"
