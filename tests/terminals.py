"""A terminal that a program runs on as after a login: keys can be pressed, and the login can be lost."""

import os
import select
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

CTRL_C = "\x03"


class Terminal:
    """A program on a terminal that is all its own; a context manager, which ends both."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str]) -> None:
        self.shown = b""
        self._here, there = os.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command], cwd=folder, env=env, stdin=there, stdout=there, stderr=there
        )
        os.close(there)
        self._lost = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if not self._lost.is_set():
            self.hang_up()
        self.process.kill()
        self.process.wait()

    def press(self, keys: str) -> None:
        """Type on it."""
        os.write(self._here, keys.encode())

    def wait_for(self, text: str) -> None:
        """Until it shows a text."""
        end = time.monotonic() + 60
        while text.encode() not in self.shown:
            assert time.monotonic() < end, f"never said {text!r}:\n{self.shown.decode()}"
            time.sleep(0.02)

    def hang_up(self) -> None:
        """Lose the login: the kernel tells all programs on it (SIGHUP), and nothing can be written to it any more."""
        self._lost.set()
        self._reader.join()
        os.close(self._here)

    def _read(self) -> None:
        while not self._lost.is_set():
            if select.select([self._here], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self._here, 1 << 16)
                except OSError:  # the program has ended
                    return
