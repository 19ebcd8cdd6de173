"""docs/trust.md: its commands run in order, and what it shows is what they print (THREATS 31: the first agent too)."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.floor import FLOOR
from builder.roots import read_chain
from bundle_format.digest import digest_of, hex_of
from bundle_format.trust.documents import PAGE_SIZE
from bundle_format.trust.state import TrustFolder
from tests.bundles import make_bundle

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "trust.md"
PASSPHRASE = "--passphrase-env FLOTO_PASSPHRASE"

DIFFERENT = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"(\b[a-z]{3,8}\b ){11}[a-z]{3,8}\b"), "<words>"),
    (re.compile(r"\b2[0-9]{3}-[0-9]{2}-[0-9]{2}\b"), "<day>"),
    (re.compile(r"\[y/N\] y?\n?"), "[y/N] "),
    (re.compile(r"^(passphrase|the same once more).*: *\n", re.MULTILINE), ""),
)
"""What is another at each run, and what a person types."""


@dataclass(frozen=True)
class Command:
    line: str
    shown: str


def commands() -> Iterator[Command]:
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for said in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, shown = said.partition("\n")
            yield Command(line, shown)


def same_each_time(text: str) -> str:
    for pattern, stand_in in DIFFERENT:
        text = pattern.sub(stand_in, text)
    return text.strip()


def answered(line: str) -> str:
    """The line with the passphrase from the environment, for nobody types it here."""
    if "openssl" in line and "-inkey" in line and ".key" in line:
        return re.sub(r"(-inkey \S+\.key)", r"\1 -passin env:FLOTO_PASSPHRASE", line)
    line = re.sub(r"(keygen \S+( --key-only)?)", rf"\1 {PASSPHRASE}", line)
    return re.sub(r"(--key \S+)", rf"\1 {PASSPHRASE}", line)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which both programs are found, and a state folder that nobody else has."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for wing in ("builder", "agent"):
        program = programs / f"floto-{wing}"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {wing}.cli.main "$@"\n', "utf-8")
        program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "FLOTO_STATE": "state",
        "FLOTO_PASSPHRASE": "open sesame",
    }


def tell(words: str) -> None:
    Path("told-by-phone").write_text(words, "utf-8")


def prepare(line: str) -> None:
    """What stands between two commands of the page and is done by other verbs or by people."""
    if "root-1.floto-root" in line:
        Path("root-1.floto-root").write_bytes(Path("keys/root-1.floto-root").read_bytes())
        tell(hex_of(digest_of(Path("root-1.floto-root").read_bytes()[PAGE_SIZE:])))
    if "message |" in line:
        tell(hex_of(digest_of(Path("keys/root-2.floto-root").read_bytes()[PAGE_SIZE:])))
    if "--reset" in line:
        tell(TrustFolder(Path("state"), FLOOR).load()[0].challenge)
    if "floto-builder root" in line:
        toml = re.search(r"^```toml\n(product.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        assert toml
        Path("keys/root.toml").write_text(toml[1], "utf-8")
    if "shop-2024.2.floto" in line:
        chain = read_chain(Path("keys")).documents
        make_bundle(Path(), name="shop-2024.2.floto", version="2024.2", sequence=2, signer="nobody", chain=chain)
    if "floto-agent.sig" in line and "-sign" in line:
        Path("floto-agent").write_bytes(b"\x7fELF" + bytes(100_000))


def test_threat_31_the_page_shows_what_its_commands_print(
    tmp_path: Path, shell: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = 0
    for command in commands():
        prepare(command.line)
        done = subprocess.run(
            ["bash", "-c", answered(command.line)],
            check=False,
            env=shell,
            input="y\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{command.line}\n{done.stdout}"
        assert same_each_time(done.stdout) == same_each_time(command.shown), command.line
        ran += 1
    assert ran >= 15
