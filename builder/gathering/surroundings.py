"""What gathering works with, and what it has at hand so far."""

import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from builder.layers.artifact import Artifact
from builder.project import Project
from builder.work.ledger import Ledger
from bundle_format.progress import Task
from bundle_format.release.model import File, Image, MachineImage
from bundle_format.store import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where things are taken from and kept; `env` is what programs are run with, `epoch` the time of all they make.

    `builder` of Dockerfiles is `buildkit`, `engine`, or None: BuildKit where there is one.
    """

    project: Project
    store: Store
    ledger: Ledger
    logs: Path
    engine: str | None
    env: Mapping[str, str]
    epoch: int
    builder: Literal["buildkit", "engine"] | None = None

    def has_image(self, image: Image) -> bool:
        """Whether the store holds everything of an image."""
        return all(digest in self.store for digest in (image.config, image.manifest, *image.layers))

    @contextmanager
    def log(self, name: str, task: Task) -> Iterator[Callable[[str], None]]:
        """Write lines to the log called `name`; each is also a sign of life for the task."""
        self.logs.mkdir(parents=True, exist_ok=True)
        place = self.logs / f"{urllib.parse.quote(name, safe=' ')}.log"
        with place.open("w", encoding="utf-8", newline="\n") as file:

            def write(line: str) -> None:
                file.write(line + "\n")
                file.flush()
                task.advance(0)

            yield write


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is in the store: plain files by path, artifacts and images by name.

    `remote` are images of registries by reference and platform, whether they are images of the release or not; `tools`
    the programs that made `image NAME` or `machine image NAME`, with their versions when it was made.
    """

    files: dict[str, File] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    remote: dict[tuple[str, str], Image] = field(default_factory=dict)
    machine_images: dict[str, MachineImage] = field(default_factory=dict)
    tools: dict[str, dict[str, str]] = field(default_factory=dict)
