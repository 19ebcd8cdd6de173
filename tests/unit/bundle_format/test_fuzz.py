"""A short run of every fuzz target; `python -m scripts.fuzz TARGET -max_total_time=3600` is the long one."""

import subprocess
import sys

import pytest

pytest.importorskip("atheris", reason="there is no atheris for this Python")


@pytest.mark.parametrize(
    ("target", "seconds"),
    [("page", 2), ("roots", 2), ("json", 2), ("index", 2), ("frame", 2), ("segment", 2), ("bundle", 10)],
)
def test_nothing_is_found_in_a_short_run(target: str, seconds: int) -> None:
    command = [sys.executable, "-m", "scripts.fuzz", target, f"-max_total_time={seconds}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-4000:]
