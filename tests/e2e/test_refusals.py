"""What the agent refuses: one clear message, the exit code of its kind, and nothing changed on the engine."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.e2e.places import Done, Home, Site, run
from tests.engines import PrivateEngine


@pytest.fixture(scope="module")
def refusing(agent: Path, home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all that is refused: each test finds it as the one before did."""
    with PrivateEngine() as engine:
        yield Site(tmp_path_factory.mktemp("refusing") / "site", engine, agent, home)


@pytest.fixture
def site(refusing: Site) -> Iterator[Site]:
    """The site, whose engine must hold afterwards what it held before, and whose file may be changed."""
    before, toml = refusing.everything(), refusing.toml
    yield refusing
    refusing.write(toml)
    assert refusing.everything() == before


def lines(done: Done) -> str:
    """What was said about the refusal; a person has made a mistake, so never a traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def copy(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundle, to be spoilt and mended."""
    return Path(shutil.copy(first, tmp_path_factory.mktemp("copy") / "shop.floto"))


def test_a_key_that_the_site_does_not_know(site: Site, home: Home, tmp_path: Path):
    run("floto-builder", "keygen", "shop", "--no-passphrase", "--into", tmp_path)
    foreign = home.build(home.shop, sequence=3, key=tmp_path / "shop.key")
    assert "not" in lines(site.apply(foreign, expect=ExitCode.NOT_TRUSTED))


@pytest.mark.parametrize("place", range(12))
def test_one_flipped_byte_anywhere_is_found(site: Site, copy: Path, place: int):
    offset = (copy.stat().st_size - 1) * place // 11
    with flipped(copy, offset):
        said = site.agent("verify", copy, expect=ExitCode.DAMAGED).stdout
    assert any(first <= offset <= last for first, last in located(said)), (offset, said)


@pytest.mark.parametrize("place", range(1, 10))
def test_one_flipped_byte_among_the_blobs_is_refused(site: Site, copy: Path, place: int):
    with flipped(copy, copy.stat().st_size * place // 10):
        said = lines(site.apply(copy, expect=ExitCode.DAMAGED))
    assert "--also" in said


def test_one_flipped_byte_in_what_is_there_twice_is_survived(site: Site, copy: Path):
    for offset in (0, 5000, copy.stat().st_size - 1):
        with flipped(copy, offset):
            assert "create front: missing" in site.agent("plan", copy).stdout


def located(said: str) -> list[tuple[int, int]]:
    """The ranges of bytes that verify calls damaged."""
    return [(int(first), int(last)) for first, last in re.findall(r"bytes (\d+) to (\d+)", said)]


@contextmanager
def flipped(path: Path, offset: int) -> Iterator[None]:
    """A file with one byte changed, for a while."""
    flip(path, offset)
    try:
        yield
    finally:
        flip(path, offset)


def flip(path: Path, offset: int) -> None:
    """Change one byte; doing it again mends it."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x20]))


@pytest.mark.parametrize("kept", [0, 1, 4095, 4096, 1 << 20, 100 << 20])
def test_a_file_that_was_cut_short(site: Site, first: Path, tmp_path: Path, kept: int):
    cut = tmp_path / "cut.floto"
    with first.open("rb") as whole:
        cut.write_bytes(whole.read(kept))
    refused = site.apply(cut, expect=None)
    assert refused.returncode in {ExitCode.DAMAGED, ExitCode.MISSING}
    lines(refused)


def test_every_wrong_parameter_at_once_with_its_place(site: Site, first: Path):
    wrong = site.toml.replace('address = "127.0.0.1"', 'address = "127.0.0.311"')
    wrong = wrong.replace("http_port = 8080", 'http_port = "eighty"').replace("domain =", "domian =")
    site.write(wrong)
    said = lines(site.apply(first, expect=ExitCode.PARAMETER))
    for word in ("address", "http_port", "domian"):
        (number,) = (n for n, line in enumerate(wrong.splitlines(), 1) if line.startswith(word))
        assert f"site.toml:{number}:" in said, said
    assert "did you mean" in said


def test_a_secret_that_is_written_down_is_refused_and_not_repeated(site: Site, first: Path):
    site.write(site.toml.replace('{ file = "secrets/db_password" }', '"hunter2-in-the-open"'))
    said = lines(site.apply(first, expect=ExitCode.PARAMETER))
    assert "db_password" in said
    assert "hunter2" not in said


def test_a_secret_whose_file_is_missing(site: Site, first: Path):
    site.write(site.toml.replace("secrets/db_password", "secrets/nowhere"))
    assert "secrets/nowhere" in lines(site.apply(first, expect=ExitCode.PARAMETER))


def test_an_engine_that_does_not_answer(site: Site, first: Path):
    site.write(site.toml.replace("docker.sock", "nobody.sock"))
    said = lines(site.apply(first, expect=ExitCode.PREFLIGHT))
    assert "server" in said
    assert "nobody.sock" in said


def test_a_port_that_somebody_else_listens_on(site: Site, first: Path):
    squatter = subprocess.Popen(
        site.engine.inside("python3", "-u", "-m", "http.server", "8080"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert squatter.stdout
        squatter.stdout.readline()
        assert "8080" in lines(site.apply(first, expect=ExitCode.PREFLIGHT))
    finally:
        squatter.kill()
        squatter.wait()


def test_no_room_for_the_blobs(site: Site, first: Path, tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    run(*site.engine.inside("mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(small)))
    roomy, site.state = site.state, small / "state"
    try:
        site.enrol()
        said = lines(site.apply(first, expect=ExitCode.PREFLIGHT))
        assert "MB" in said
    finally:
        site.state = roomy
        run(*site.engine.inside("umount", str(small)))


@pytest.mark.parametrize(
    ("former", "new"),
    [
        ('"front"', '"../front"'),
        ('"front"', '"fr\\u001b[2Jont"'),
        ('volume("products"', 'volume("/products"'),
        ('src="templates/nginx.conf.j2"', 'src="../../../../etc/passwd"'),
        ('folder("migrations")', 'folder("/etc")'),
        ('build="images/nginx"', 'build=".."'),
    ],
)
def test_a_definition_that_reaches_out_of_its_folder_or_names_like_a_path(home: Home, former: str, new: str):
    spoilt = home.edited(f"spoilt-{abs(hash(new))}", {"site.star": (former, new)})
    done = run("floto-builder", "check", spoilt, expect=ExitCode.USAGE)
    assert "site.star:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


def test_an_unsigned_bundle_cannot_be_made(home: Home, tmp_path: Path):
    done = run("floto-builder", "build", home.shop, "--output", tmp_path / "x.floto", expect=ExitCode.USAGE)
    assert "--key" in done.stderr
    assert not list(tmp_path.iterdir())
