"""What end-to-end tests share: the frozen agent, made as scripts/demo makes it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def agent() -> Path:
    """The frozen agent of this source tree."""
    python = ROOT / ".work" / "freeze" / "bin" / "python"
    assert python.exists(), "the environment for freezing is lacking: run scripts/setup"
    subprocess.run([python, ROOT / "scripts" / "freeze_agent.py"], check=True)
    return ROOT / "dist" / "floto-agent"
