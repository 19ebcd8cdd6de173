"""The two places of every story: the makers' home, where a bundle is built, and a site, where it is applied."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.engines import PrivateEngine

ROOT = Path(__file__).resolve().parents[2]

Done = subprocess.CompletedProcess[str]


def run(*command: str | Path, expect: int | None = 0, **variables: str) -> Done:
    """Run a command with these variables beside ours; AssertionError with its output unless it ends as expected."""
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    told = f"{' '.join(map(str, command))}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert expect is None or done.returncode == expect, told
    return done


class Home:
    """The makers' place: the shop's definition, a key, a store, and an engine that can reach the network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = ROOT / "examples" / "shop"
        self.key = folder / "keys" / "shop.key"
        self.root = folder / "keys" / "root-1.floto-root"
        self.words = ""

    def prepare(self) -> None:
        """Make the key, and give the engine the shop's base image."""
        made = run("floto-builder", "keygen", "shop", "--no-passphrase", "--into", self.folder / "keys", "--json")
        self.words = json.loads(made.stdout)["words"]
        self.beside_engine(ROOT / "scripts" / "shop-base")

    def beside_engine(self, *command: str | Path, **variables: str) -> Done:
        """Run a command that needs the makers' engine."""
        return run(ROOT / "scripts" / "with-engine", ROOT / ".work" / "engine", *command, **variables)

    def build(self, definition: Path, *, sequence: int, key: Path | None = None) -> Path:
        """Build a definition's bundle."""
        bundle = self.folder / f"{definition.name}-{sequence}.floto"
        options = ("--key", key or self.key, "--output", bundle, "--sequence", str(sequence))
        self.beside_engine("floto-builder", "build", definition, "--store", ROOT / ".work" / "store", *options)
        return bundle

    def edited(self, name: str, edits: Mapping[str, tuple[str, str]]) -> Path:
        """A copy of the shop's definition, changed: file to what it said and what it shall say."""
        copy = self.folder / name
        shutil.copytree(self.shop, copy)
        for path, (former, new) in edits.items():
            text = (copy / path).read_text(encoding="utf-8")
            assert former in text, f"{path} does not say {former!r}"
            (copy / path).write_text(text.replace(former, new), encoding="utf-8")
        return copy


class Site:
    """A place without internet: a folder with site.toml and a secret, an engine, and the agent in the same network."""

    def __init__(self, folder: Path, engine: PrivateEngine, agent: Path, home: Home) -> None:
        self.folder = folder
        self.engine = engine
        self.secret = secrets.token_hex(16)
        self.state = folder / "state"
        self.said: list[str] = []
        self._agent = agent
        self._home = home
        (folder / "secrets").mkdir(parents=True, mode=0o700)
        (folder / "secrets" / "db_password").write_text(self.secret + "\n", encoding="utf-8")
        self.toml = (home.shop / "site.toml").read_text(encoding="utf-8")
        self.write(self.toml.replace("unix:///var/run/docker.sock", engine.address))
        self.enrol()

    def enrol(self) -> None:
        """Believe the makers."""
        self.agent("trust", "enrol", self._home.root, "--fingerprint", self._home.words)

    def write(self, toml: str) -> None:
        """Let site.toml say this."""
        self.toml = toml
        (self.folder / "site.toml").write_text(toml, encoding="utf-8")

    def command(self, *arguments: str | Path) -> list[str]:
        """The agent's command line, as it is run on this site."""
        verb, *rest = map(str, arguments)
        places = ["--state", str(self.state)]
        if verb in {"apply", "plan", "preflight"}:
            places += ["--site", str(self.folder / "site.toml")]
        if verb == "trust":
            verb, rest = f"trust {rest[0]}", rest[1:]
        return self.engine.inside(str(self._agent), *verb.split(), *rest, *places)

    def agent(self, *arguments: str | Path, expect: int | None = 0) -> Done:
        """Run the frozen agent where the engine is; it must end as expected."""
        done = run(*self.command(*arguments), expect=expect)
        self.said += [done.stdout, done.stderr]
        return done

    def apply(self, bundle: Path, *, expect: int = 0) -> Done:
        """Apply a bundle, agreeing beforehand."""
        return self.agent("apply", bundle, "--yes", expect=expect)

    def fetch(self, path: str) -> tuple[dict[str, str], Any]:
        """Ask the shop through its front; the headers, lower-case, and the JSON of the answer."""
        done = run(*self.engine.inside("curl", "-sSf", "-D", "-", f"http://127.0.0.1:8080{path}"))
        head, _, body = done.stdout.partition("\n\n")
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
        return headers, json.loads(body)

    def containers(self) -> dict[str, str]:
        """The id of every container of the engine by name, running or not."""
        listed = self.engine.docker("ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}")
        return dict(line.split() for line in listed.splitlines())

    def everything(self) -> tuple[str, ...]:
        """All that an apply could have changed on the engine."""
        lists = (["ps", "-a"], ["images", "-a"], ["volume", "ls"], ["network", "ls"])
        return tuple(self.engine.docker(*names, "--no-trunc", "--format", "{{json .}}") for names in lists[:2]) + tuple(
            self.engine.docker(*names, "-q") for names in lists[2:]
        )
