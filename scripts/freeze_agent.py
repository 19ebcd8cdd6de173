"""Freezes the agent into one file, dist/floto-agent, that needs neither Python nor anything else on a site.

Run with an interpreter that has requirements/agent.txt and nothing more, as scripts/setup makes in .work/freeze.
"""

import hashlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AGENT = ROOT / "dist" / "floto-agent"
STAMP = ROOT / ".work" / "frozen-from"


def inputs() -> Iterator[Path]:
    """Every file that decides what comes out."""
    for wing in ("agent", "bundle_format"):
        yield from (path for path in (ROOT / wing).rglob("*") if path.suffix in {".py", ".txt"})
    yield from (ROOT / "scripts").glob("freeze_*")
    yield ROOT / "requirements" / "agent.txt"


def digest_of_inputs() -> str:
    """One name for all inputs and the interpreter."""
    found = hashlib.sha256(sys.version.encode())
    for path in sorted(inputs()):
        content = path.read_bytes()
        found.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def freeze() -> None:
    """Make the file; the same inputs give the same bytes."""
    variables = {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "315532800", "PYTHONDONTWRITEBYTECODE": "1"}
    # Its cache in the user's home would be cleaned by another freeze beside this one.
    variables["PYINSTALLER_CONFIG_DIR"] = str(ROOT / ".work" / "pyinstaller-cache")
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level=WARN"]
    places = [f"--distpath={AGENT.parent}", f"--workpath={ROOT / '.work' / 'pyinstaller'}"]
    spec = str(ROOT / "scripts" / "freeze_agent.spec")
    done = subprocess.run(
        [*command, *places, spec], cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def seconds_to_start(rounds: int = 7) -> float:
    """The median time that `--version` takes."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([AGENT, "--version"], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Freeze unless the file at hand was made of these very inputs, and tell its size and start."""
    digest = digest_of_inputs()
    if not (AGENT.exists() and STAMP.exists() and STAMP.read_text(encoding="ascii") == digest):
        freeze()
        STAMP.write_text(digest, encoding="ascii")
    size = AGENT.stat().st_size / 1_000_000
    print(f"{AGENT.relative_to(ROOT)}: {size:.1f} MB, --version in {seconds_to_start() * 1000:.0f} ms")


if __name__ == "__main__":
    main()
