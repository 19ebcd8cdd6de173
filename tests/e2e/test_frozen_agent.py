"""The agent as a site gets it: one file, on hosts that have nothing, in surroundings that nobody chose."""

import os
import subprocess
from pathlib import Path

import pytest

from bundle_format import __version__

PLANTED = "import pathlib\npathlib.Path({marker!r}).write_text('planted code ran')\n"


def run(agent: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start the agent with nothing but these variables."""
    return subprocess.run(
        [agent, *arguments], env={"PATH": os.defpath, **variables}, capture_output=True, text=True, check=False
    )


def test_it_says_its_version_and_cleans_up_after_itself(agent: Path, tmp_path: Path):
    done = run(agent, "--version", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"floto-agent {__version__}\n")
    assert list(tmp_path.iterdir()) == []


def test_it_runs_where_there_is_no_python(agent: Path, debian: Path, tmp_path: Path):
    subprocess.run(["tar", "-xf", debian, "-C", tmp_path], check=True)
    (tmp_path / "floto-agent").write_bytes(agent.read_bytes())
    (tmp_path / "floto-agent").chmod(0o755)
    assert not list(tmp_path.glob("usr/bin/python*"))
    inside = 'mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -i /floto-agent --version'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside, tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"floto-agent {__version__}\n", "")


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}])
def test_its_text_is_utf_8_in_every_locale(agent: Path, locale: dict[str, str]):
    done = run(agent, "verify", "wäre-da.floto", **locale)
    assert "wäre-da.floto" in done.stderr


def test_threat_32_a_hostile_environment_starts_no_foreign_code(agent: Path, tmp_path: Path):
    marker = tmp_path / "marker"
    planted = tmp_path / "_MEI00000000000000"
    planted.mkdir()
    for name in ("sitecustomize", "usercustomize", "argparse", "os", "encodings", "startup"):
        (planted / f"{name}.py").write_text(PLANTED.format(marker=str(marker)), encoding="utf-8")
    (planted / "libpython3.11.so.1.0").write_bytes(b"no library at all")
    place = str(planted)
    hostile = [
        {"PYTHONPATH": place, "PYTHONHOME": place, "PYTHONSTARTUP": f"{place}/startup.py", "PYTHONINSPECT": "1"},
        {"_PYI_APPLICATION_HOME_DIR": place, "_PYI_PARENT_PROCESS_LEVEL": "1", "_PYI_ARCHIVE_FILE": str(agent)},
        {"_PYI_APPLICATION_HOME_DIR": place, "_PYI_PARENT_PROCESS_LEVEL": "0", "_PYI_ARCHIVE_FILE": str(agent)},
        {"_MEIPASS2": place, "_MEIPASS": place, "LD_LIBRARY_PATH_ORIG": place},
        {"LD_LIBRARY_PATH": place},
    ]
    for variables in hostile:
        done = run(agent, "--version", TMPDIR=str(tmp_path), **variables)
        refused = done.returncode != 0 and "Security validation failure" in done.stderr
        assert refused or done.stdout == f"floto-agent {__version__}\n", (variables, done)
        assert not marker.exists(), variables
