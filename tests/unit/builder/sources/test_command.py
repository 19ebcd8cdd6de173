"""A command's artifact is the file that it leaves, made among copies of its sources alone."""

import io
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from builder.language.evaluation import Command
from builder.layers.layer import Entry
from builder.sources.command import make_artifact
from builder.work.child import settled_environment
from bundle_format.errors import DefinitionError
from bundle_format.progress import Silence
from bundle_format.store import Store

EPOCH = 946684800


def source(path: str, content: bytes, mode: int = 0o644) -> Entry:
    return Entry(path, "file", mode, size=len(content), open=lambda: io.BytesIO(content))


class Shop:
    """Runs one small Python program as a command."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "store")
        self.said: list[str] = []

    def make(
        self,
        program: str,
        output: str = "out",
        task: Silence | None = None,
        *,
        folder: str | None = None,
        **env: str,
    ) -> bytes:
        recipe = Command(command=("./make", "it"), output=output, source=folder, env=env)
        sources = [source("make", f"#!{sys.executable}\n{program}".encode(), 0o755), source("src/a", b"source")]
        settled = settled_environment({"PATH": "/usr/bin:/bin", "SECRET": "x"}, EPOCH, env)
        artifact = make_artifact(
            recipe, sources, self.store, env=settled, epoch=EPOCH, log=self.said.append, task=task or Silence()
        )
        ((name, file),) = artifact.files.items()
        assert name == output.rpartition("/")[2]
        return self.store.read_bytes(file.digest)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_the_file_that_the_command_leaves_is_kept(shop: Shop) -> None:
    program = "import pathlib, sys\npathlib.Path('a').mkdir()\n"
    program += (
        "pathlib.Path('a/out').write_text(pathlib.Path('src/a').read_text() + sys.argv[1])\nprint('made', '\\nit')"
    )
    assert shop.make(program, "a/out") == b"sourceit"
    assert shop.said == ["made", "it"]


def test_the_environment_is_settled(shop: Shop) -> None:
    program = "import os, stat\nopen('out', 'w').write(repr((sorted(set(os.environ) - {'PWD', 'LC_CTYPE'}),"
    program += " os.environ['TZ'], os.umask(0), int(os.stat('src/a').st_mtime))))"
    told = shop.make(program, COLOUR="blue").decode()
    assert told == repr((["COLOUR", "LC_ALL", "PATH", "SOURCE_DATE_EPOCH", "TZ"], "UTC", 0o022, EPOCH))


def test_a_failure_shows_the_end_of_the_output(shop: Shop) -> None:
    with pytest.raises(DefinitionError, match=r"exit code 3\n  line 80\n(.*\n)*  line 99$"):
        shop.make("import sys\nfor n in range(100): print('line', n)\nsys.exit(3)")
    assert len(shop.said) == 100


@pytest.mark.parametrize(
    ("source", "output", "hint"),
    [
        (None, "a/out", "a holds: other"),
        ("tool", "a/out", "tool/a holds: other"),
        ("tool", "out", "tool holds: a, make, src"),
        (None, "out", ". holds: a, make, src"),
    ],
)
def test_a_command_that_leaves_nothing_is_told(shop: Shop, source: str | None, output: str, hint: str) -> None:
    program = "import pathlib\npathlib.Path('a').mkdir()\npathlib.Path('a/other').touch()"
    with pytest.raises(DefinitionError, match=f"left no file {output}") as caught:
        shop.make(program, output, folder=source)
    assert caught.value.hint == hint


def test_threat_20_an_output_outside_the_copy_is_refused(shop: Shop) -> None:
    with pytest.raises(DefinitionError):
        shop.make("import os\nos.symlink('/etc/passwd', 'out')")
    with pytest.raises(DefinitionError):
        shop.make("pass", "../out")


def test_a_command_that_is_called_off_leaves_nothing_running(shop: Shop, tmp_path: Path) -> None:
    class CalledOffError(Exception):
        pass

    class Impatient(Silence):
        def advance(self, amount: int) -> None:
            if marker.exists():
                raise CalledOffError

    marker, alive = tmp_path / "marker", tmp_path / "alive"
    program = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', '''\nimport time, pathlib\n"
    program += f"pathlib.Path({str(marker)!r}).touch()\nwhile True:\n  pathlib.Path({str(alive)!r}).touch()\n"
    program += "  time.sleep(0.02)\n'''])\ntime.sleep(60)"
    began = time.monotonic()
    with suppress(CalledOffError):
        shop.make(program, task=Impatient())
    assert time.monotonic() - began < 20
    alive.unlink()
    time.sleep(0.2)
    assert not alive.exists()
