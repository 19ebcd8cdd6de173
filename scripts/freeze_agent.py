"""Freezes the agent into one file, dist/floto-agent, that needs neither Python nor anything else on a site.

Run with an interpreter that has requirements/agent.txt and nothing more, as scripts/setup makes in .work/freeze.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AGENT = ROOT / "dist" / "floto-agent"


def freeze() -> None:
    """Make the file; the same inputs give the same bytes."""
    work = ROOT / ".work" / "pyinstaller"
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": "315532800",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level=WARN"]
    places = [f"--distpath={AGENT.parent}", f"--workpath={work}", str(ROOT / "scripts" / "freeze_agent.spec")]
    subprocess.run([*command, *places], cwd=ROOT, env=environment, check=True)


def seconds_to_start(rounds: int = 7) -> float:
    """The median time that `--version` takes."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([AGENT, "--version"], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    freeze()
    print(f"{AGENT}: {AGENT.stat().st_size / 1e6:.1f} MB, --version in {seconds_to_start() * 1000:.0f} ms")
