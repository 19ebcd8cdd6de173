"""What end-to-end tests share: the makers' place with the shop, the frozen agent, and sites to bring both to."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.places import ROOT, Home, Site
from tests.engines import PrivateEngine


@pytest.fixture(scope="session")
def agent() -> Path:
    """The frozen agent of this source tree."""
    python = ROOT / ".work" / "freeze" / "bin" / "python"
    assert python.exists(), "the environment for freezing is lacking: run scripts/setup"
    subprocess.run([python, ROOT / "scripts" / "freeze_agent.py"], check=True)
    return ROOT / "dist" / "floto-agent"


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The makers' place, with a key of its own and all of the shop's images built."""
    made = Home(tmp_path_factory.mktemp("home"))
    made.prepare()
    return made


@pytest.fixture(scope="session")
def debian(home: Home) -> Path:
    """A small Debian without Python, as a tar."""
    (tar,) = (ROOT / ".work").glob("debian-*.tar")
    return tar


@pytest.fixture(scope="session")
def first(home: Home) -> Path:
    """The shop's first release."""
    return home.build(home.shop, sequence=1)


@pytest.fixture(scope="session")
def second(home: Home) -> Path:
    """The shop's second release: one line of one template is new."""
    edited = home.edited(
        "second",
        {
            "site.star": ('version="2024.1"', 'version="2024.2"'),
            "templates/nginx.conf.j2": ("proxy_connect_timeout 2s;", 'add_header X-Release "second";'),
        },
    )
    return home.build(edited, sequence=2)


@pytest.fixture
def site(agent: Path, home: Home, tmp_path: Path) -> Iterator[Site]:
    """A place without internet: an empty engine, the agent, the makers' root enrolled."""
    with PrivateEngine() as engine:
        yield Site(tmp_path / "site", engine, agent, home)
