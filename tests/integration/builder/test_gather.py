"""A release's parts are gathered once, and made anew they are the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from builder.gather import gather
from builder.gathering.outside import Outside
from builder.gathering.surroundings import Gathered, Surroundings
from builder.language.evaluation import (
    ArtifactFile,
    Assemble,
    Build,
    Command,
    Evaluation,
    FromEngine,
    Placed,
    ProjectFile,
)
from builder.lock import Lock
from builder.project import Project
from builder.resolve import resolve
from builder.sources.buildkit import buildkit_command
from builder.web.client import Patience
from builder.web.settings import Settings
from builder.work.ledger import Ledger
from bundle_format.errors import FlotoError
from bundle_format.progress import Silence, Task
from bundle_format.store import Store
from tests import engines, images
from tests.engines import PrivateEngine
from tests.integration.builder.conftest import BUSYBOX

pytestmark = pytest.mark.engine

EVALUATION = Evaluation(
    product="p",
    version="1",
    evaluator="e",
    sources={},
    variants=(),
    files=("site.conf",),
    artifacts={"tool": Command(command=("./make", "out/tool"), source="tool", output="out/tool")},
    images={
        "base": FromEngine(reference=BUSYBOX, tag="p/base:1"),
        "web": Build(context="web", tag="p/web:1", bases={"BASE": "base"}, arguments={"GREETING": "hello"}),
        "app": Assemble(
            tag="p/app:1",
            base="web",
            layers=((Placed(path="/bin/tool", content=ArtifactFile(name="tool"), mode=0o755),),),
            command=("tool",),
        ),
        "last": Build(
            context="last",
            tag="p/last:1",
            bases={"BASE": "app"},
            files=(Placed(path="site.conf", content=ProjectFile(path="site.conf")),),
        ),
    },
)


OLDER_DOCKER = "/usr/bin:/bin"
"""Where Debian's docker is, which speaks to BuildKit without a plug-in."""

Builder = Literal["engine", "buildkit"]


class Notes(Silence):
    """Remembers what was noted, and which pieces of work there were."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tasks: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    @contextmanager
    def task(self, what: str, total: int | None = None) -> Iterator[Task]:
        self.tasks.append(what)
        yield self


class Bench:
    def __init__(self, root: Path, address: str) -> None:
        self.root = root / "project"
        self.address = address
        files = {
            "site.conf": "conf\n",
            "tool/make": '#!/bin/sh\nmkdir -p out\nprintf "#!/bin/sh\\ncat /greeting /date" > "$1"\n',
            "web/Dockerfile": 'ARG BASE\nFROM $BASE\nARG GREETING\nRUN echo "$GREETING" > /greeting; touch /new\n'
            "COPY date /\n",
            "web/date": "today\n",
            "last/Dockerfile": "ARG BASE\nFROM $BASE\nCOPY site.conf /etc/site.conf\n",
        }
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")
        (self.root / "tool" / "make").chmod(0o755)

    def gather(
        self, kept: Path, evaluation: Evaluation = EVALUATION, builder: Builder = "engine"
    ) -> tuple[Gathered, Notes]:
        notes = Notes()
        surroundings = Surroundings(
            project=Project(self.root),
            store=Store(kept / "store"),
            ledger=Ledger(kept / "ledger"),
            logs=kept / "logs",
            engine=self.address,
            env={"PATH": OLDER_DOCKER},
            epoch=946684800,
            builder=builder,
        )
        with Outside(surroundings, Settings(), Patience()) as outside:
            resolution = resolve(evaluation, surroundings, outside, notes, lock=Lock())
            return gather(evaluation, resolution, surroundings, outside, notes), notes


@pytest.fixture
def bench(tmp_path: Path, private_engine: PrivateEngine) -> Bench:
    return Bench(tmp_path, private_engine.address)


@pytest.mark.parametrize("builder", ["engine", "buildkit"])
def test_what_is_gathered_runs_and_is_reused_the_next_time(
    bench: Bench, tmp_path: Path, private_engine: PrivateEngine, builder: Builder
) -> None:
    if builder == "buildkit" and not buildkit_command({"PATH": OLDER_DOCKER}):
        pytest.skip("docker here does not speak to BuildKit")
    gathered, notes = bench.gather(tmp_path / "kept", builder=builder)
    assert sorted(line.split(" ")[1] + line.rpartition(",")[2] for line in notes.lines) == [
        "app: assembled",
        "base: from the engine",
        "last: built",
        "tool: made",
        "web: built",
    ]
    lent = f"floto.invalid/lent:{gathered.images['app'].config.removeprefix('sha256:')}"
    assert private_engine.docker("run", "--rm", "--network=none", lent).splitlines() == ["hello", "today"]
    again, notes = bench.gather(tmp_path / "kept", builder=builder)
    assert again == gathered
    assert all(line.endswith(", reused") for line in notes.lines)
    assert notes.tasks == []
    assert "RUN echo" in (tmp_path / "kept" / "logs" / "image web.log").read_text(encoding="utf-8")


def test_made_anew_on_another_engine_the_layers_are_the_same(bench: Bench, tmp_path: Path) -> None:
    first, _ = bench.gather(tmp_path / "first")
    with engines.PrivateEngine() as other:
        other.docker("import", "-", BUSYBOX, content=images.busybox_layer())
        bench.address = other.address
        second, notes = bench.gather(tmp_path / "second")
    assert sum(line.endswith(", built") for line in notes.lines) == 2
    assert {name: image.layers for name, image in second.images.items()} == {
        name: image.layers for name, image in first.images.items()
    }
    assert second.files == first.files
    assert second.artifacts == first.artifacts


def test_all_that_failed_is_told_with_its_name(bench: Bench, tmp_path: Path) -> None:
    (bench.root / "tool" / "make").write_text("#!/bin/sh\necho why; exit 1\n", encoding="utf-8")
    with pytest.raises(FlotoError, match=r"exit code 1\n  why"):
        bench.gather(tmp_path / "kept")
    (bench.root / "web" / "Dockerfile").write_text("FROM localhost:9/nowhere:none\n", encoding="utf-8")
    wanted = EVALUATION.model_copy(update={"artifacts": {}, "images": {"web": EVALUATION.images["web"]}})
    wanted.images["web"] = Build(context="web", tag="t")
    with pytest.raises(FlotoError, match=r"localhost:9/nowhere:none: .* refuses connections"):
        bench.gather(tmp_path / "kept", wanted)
