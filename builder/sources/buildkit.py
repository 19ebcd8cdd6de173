"""Images built by BuildKit, which only the docker program can speak to; it knows more than the engine's own builder."""

import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from builder.images.building import BuildOrder, Held
from builder.work.child import Child
from bundle_format.errors import DefinitionError
from bundle_format.progress import Task

_LAST_WITH_BUILDKIT_INSIDE = 22
"""From docker 23 on, the program needs the plug-in buildx to speak to BuildKit."""


@dataclass(frozen=True, slots=True)
class BuildKit:
    """BuildKit as one docker program reaches it: `command` is how a build begins, `env` what it is run with."""

    command: Sequence[str]
    env: Mapping[str, str]
    find: Callable[[str], Held | None]
    task: Task
    kind: ClassVar[str] = "buildkit"

    def build(self, order: BuildOrder, log: Callable[[str], None]) -> Held:
        """Build in the engine and return the image; DefinitionError, with the last lines, if it fails."""
        with tempfile.TemporaryDirectory(prefix="floto-build-") as name:
            told = Path(name) / "image"
            options = ["--progress=plain", f"--network={order.network}", f"--platform={order.platform}"]
            options += [f"--build-arg={key}={value}" for key, value in order.arguments.items()]
            options += [f"--target={order.target}"] if order.target else []
            command = [*self.command, *options, f"--file={order.dockerfile}", f"--iidfile={told}", "-"]
            Child(Path(name), self.env, log, self.task).run(command, order.context, what="the build")
            held = self.find(told.read_text(encoding="ascii").strip())
        if held is None:
            raise DefinitionError("the engine ended a build without an image", "See its log.")
        return held


def buildkit_command(env: Mapping[str, str]) -> Sequence[str] | None:
    """How a build by BuildKit begins here; None where the docker program is lacking or too bare."""
    if _says(("docker", "buildx", "version"), env):
        # Attestations would make an index of what is one image; only the default builder has the engine's images.
        return "docker", "buildx", "build", "--builder=default", "--load", "--provenance=false", "--sbom=false"
    version = re.search(r"version (\d+)\.", _says(("docker", "--version"), env))
    if version and int(version[1]) <= _LAST_WITH_BUILDKIT_INSIDE:
        return "docker", "build"
    return None


def _says(command: Sequence[str], env: Mapping[str, str]) -> str:
    try:
        answer = subprocess.run(command, env=dict(env), capture_output=True, check=False)
    except OSError:
        return ""
    return answer.stdout.decode(errors="replace") if answer.returncode == 0 else ""
