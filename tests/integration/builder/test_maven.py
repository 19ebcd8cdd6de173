"""Files of Maven repositories: in order, past mirrors and logins, checked, and through every fault on the way."""

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.sources.maven import MavenFetched, MavenRepositories
from builder.sources.maven_program import MavenProgram
from builder.web.client import Patience, Web
from builder.web.coordinates import Coordinates, parse_coordinates
from builder.web.maven_settings import read_maven_file
from builder.web.partial import Partials
from builder.web.settings import MavenRepository
from builder.work.child import settled_environment
from bundle_format.digest import digest_of
from bundle_format.errors import DefinitionError
from bundle_format.progress import Silence
from bundle_format.store import Store
from tests.faulty import Fault, FaultyServer, folder

JAR = random.Random(3).randbytes(300_000)
APP = "com.acme:app:1.0"
DEBIAN = Path("/usr/share/maven-repo")


class Repository:
    """A Maven repository in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def deploy(self, coordinates: str, content: bytes = JAR, checksum: str = "sha1") -> None:
        wanted = parse_coordinates(coordinates)
        place = self.root / wanted.folder / wanted.file_name()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if checksum:
            digits = hashlib.new(checksum, content).hexdigest()
            (place.parent / f"{place.name}.{checksum}").write_text(f"{digits}  {place.name}\n", encoding="ascii")

    def deploy_snapshot(self, build: str, content: bytes, others: str = "") -> None:
        """Deploy `com.acme:app:1.0-BUILD` as the newest build of 1.0-SNAPSHOT."""
        self.deploy(f"com.acme:app:1.0-{build}", content)
        updated = build.rpartition("-")[0].replace(".", "")
        (self.root / "com/acme/app/1.0-SNAPSHOT/maven-metadata.xml").write_text(
            "<metadata><versioning><lastUpdated>0</lastUpdated><snapshotVersions>"
            f"<snapshotVersion><extension>pom</extension><value>1.0-{build}</value><updated>9</updated></snapshotVersion>"
            f"<snapshotVersion><extension>jar</extension><value>1.0-{build}</value><updated>{updated}</updated>"
            f"</snapshotVersion>{others}</snapshotVersions></versioning></metadata>",
            encoding="utf-8",
        )


class Client:
    """A project's Maven repositories."""

    def __init__(self, root: Path, *places: str | MavenRepository, settings: str = "", **env: str) -> None:
        root.mkdir(exist_ok=True)
        (root / "settings.xml").write_text(f"<settings>{settings}</settings>", encoding="utf-8")
        self.store = Store(root / "store")
        named = [
            place if isinstance(place, MavenRepository) else MavenRepository(id=f"r{number}", url=place)
            for number, place in enumerate(places)
        ]
        file = read_maven_file(root / "settings.xml", env)
        web = Web(Partials(root / "partial"), Patience(attempts=3, pause=0.01, quiet=1))
        self.maven = MavenRepositories(web, self.store, named, file, env)

    def fetch(self, coordinates: str, pinned: str | None = None) -> MavenFetched:
        return self.maven.fetch(parse_coordinates(coordinates), pinned, Silence(), said_by="the lock")  # type: ignore[arg-type]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def server(repository: Repository) -> Iterator[FaultyServer]:
    with FaultyServer(folder(repository.root)) as server:
        yield server


@pytest.mark.parametrize(
    ("kind", "checksum"), [("tar.gz:dist", "sha512"), ("zip", "sha256"), ("deb:amd64", "sha1"), ("war", "")]
)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_file_of_any_kind_comes_with_whatever_checksum(
    repository: Repository, server: FaultyServer, tmp_path: Path, *, scheme: str, kind: str, checksum: str
) -> None:
    repository.deploy(f"com.acme.web:app:1.0:{kind}", checksum=checksum)
    client = Client(tmp_path / "client", server.url if scheme == "http" else repository.root.as_uri())
    fetched = client.fetch(f"com.acme.web:app:1.0:{kind}")
    assert fetched.file.digest == digest_of(JAR)
    assert client.store.read_bytes(fetched.file.digest) == JAR


def test_repositories_are_asked_in_their_order(tmp_path: Path) -> None:
    first, second = Repository(tmp_path / "first"), Repository(tmp_path / "second")
    second.deploy(APP)
    client = Client(tmp_path / "client", first.root.as_uri(), second.root.as_uri())
    assert client.fetch(APP).file.digest == digest_of(JAR)
    first.deploy("com.acme:both:1", b"first")
    second.deploy("com.acme:both:1", b"second")
    assert client.fetch("com.acme:both:1").file.digest == digest_of(b"first")
    with pytest.raises(DefinitionError, match=r"com\.acme:none:1:jar is in no repository: r0 \(file:.*r1 \(file:"):
        client.fetch("com.acme:none:1")


def test_a_repository_that_is_not_asked_says_by_which_setting(repository: Repository, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", MavenRepository(id="ours", url=repository.root.as_uri(), snapshots=False))
    with pytest.raises(DefinitionError, match=r"in no repository: ours \(not asked: snapshots = false\)$"):
        client.fetch("com.acme:app:1.0-SNAPSHOT")
    client = Client(tmp_path / "client", MavenRepository(id="ours", url=repository.root.as_uri(), releases=False))
    with pytest.raises(DefinitionError, match=r"in no repository: ours \(not asked: releases = false\)$"):
        client.fetch(APP)


def test_what_a_file_is_expected_to_be_is_told_by_whom(repository: Repository, tmp_path: Path) -> None:
    repository.deploy(APP)
    with pytest.raises(DefinitionError, match=r"other content than the lock says") as caught:
        Client(tmp_path / "client", repository.root.as_uri()).fetch(APP, digest_of(b"another"))
    assert caught.value.hint.startswith("Either the lock, the repository or a proxy")


def test_logins_come_from_settings_and_from_the_environment(repository: Repository, tmp_path: Path) -> None:
    repository.deploy(APP)
    with FaultyServer(folder(repository.root), credentials="ann:secret words") as server:
        with pytest.raises(DefinitionError, match="answers 401"):
            Client(tmp_path / "a", server.url).fetch(APP)
        login = "<servers><server><id>r0</id><username>ann</username><password>${env.PW}</password></server></servers>"
        assert Client(tmp_path / "b", server.url, settings=login, PW="secret words").fetch(APP)
        env = {"FLOTO_MAVEN_R0_USER": "ann", "FLOTO_MAVEN_R0_PASSWORD": "secret words"}
        assert Client(tmp_path / "c", server.url, **env).fetch(APP)
        with pytest.raises(DefinitionError, match="PW, which is not set"):
            Client(tmp_path / "d", server.url, settings=login)
        with pytest.raises(DefinitionError, match="encrypted"):
            Client(tmp_path / "e", server.url, settings=login.replace("${env.PW}", "{abc=}"))


@pytest.mark.parametrize(
    ("of", "stands"), [("*", True), ("r0", True), ("*,!r0", False), ("external:*", False), ("other", False)]
)
def test_a_mirror_stands_for_repositories(
    repository: Repository, server: FaultyServer, tmp_path: Path, of: str, stands: bool
) -> None:
    repository.deploy(APP)
    mirror = f"<mirrors><mirror><id>m</id><mirrorOf>{of}</mirrorOf><url>{server.url}/</url></mirror></mirrors>"
    client = Client(tmp_path / "client", "http://127.0.0.1:9/nothing", settings=mirror)
    if stands:
        assert client.fetch(APP).file.digest == digest_of(JAR)
    else:
        with pytest.raises(DefinitionError, match="refuses connections"):
            client.fetch(APP)


def test_a_snapshot_is_its_newest_build_and_stays_it_once_pinned(repository: Repository, tmp_path: Path) -> None:
    wanted = "com.acme:app:1.0-SNAPSHOT"
    client = Client(tmp_path / "client", repository.root.as_uri())
    repository.deploy_snapshot("20240101.101010-1", b"first")
    first = client.fetch(wanted)
    assert (str(first.exact), first.file.digest) == ("com.acme:app:1.0-20240101.101010-1:jar", digest_of(b"first"))
    repository.deploy_snapshot("20240202.101010-2", b"second")
    assert client.fetch(wanted).file.digest == digest_of(b"second")
    elsewhere = Client(tmp_path / "elsewhere", repository.root.as_uri())
    assert elsewhere.fetch(str(first.exact), digest_of(b"first")).file == first.file


def test_pinned_and_fetched_a_file_needs_no_repository(repository: Repository, tmp_path: Path) -> None:
    repository.deploy(APP)
    client = Client(tmp_path / "client", repository.root.as_uri())
    fetched = client.fetch(APP)
    shutil.rmtree(repository.root)
    with Partials(tmp_path / "client" / "partial").open(fetched.file.digest) as killed:
        killed.append(JAR)
    assert client.fetch(APP, fetched.file.digest).file == fetched.file
    assert list((tmp_path / "client" / "partial").iterdir()) == []


@pytest.mark.parametrize("faults", [[500, 503], ["cut", "cut"], ["stall"], ["wrong"], ["cut", "no ranges"]])
def test_faults_that_pass_are_survived(
    repository: Repository, server: FaultyServer, tmp_path: Path, faults: list[Fault]
) -> None:
    repository.deploy(APP, checksum="sha512")
    server.faults["app-1.0.jar.sha512"] = [502, "cut"]
    server.faults["app-1.0.jar$"] = list(faults)
    client = Client(tmp_path / "client", server.url)
    assert client.fetch(APP).file.digest == digest_of(JAR)
    assert list((tmp_path / "client" / "partial").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "fault", "message"),
    [
        ("jar$", 401, "answers 401"),
        ("jar$", 403, "answers 403"),
        ("jar$", 404, r"com\.acme:app:1\.0:jar is in no repository"),
        ("jar$", 500, r"answers 500 .*tried 3 times"),
        ("jar$", "stall", "went silent"),
        ("jar.sha1$", "cut", r"broke off .*tried 3 times"),
        ("jar$", "wrong", r"other content than its checksum says \(sha1 is"),
    ],
)
def test_faults_that_stay_are_told_and_the_store_stays_sound(
    repository: Repository, server: FaultyServer, tmp_path: Path, *, path: str, fault: Fault, message: str
) -> None:
    repository.deploy(APP)
    client = Client(tmp_path / "client", server.url)
    server.faults[f"app-1.0.{path}"] = [fault] * 9
    with pytest.raises(DefinitionError, match=message) as caught:
        client.fetch(APP)
    assert "com.acme:app:1.0" in caught.value.message
    assert server.host in caught.value.message
    assert caught.value.hint
    assert list(client.store) == []


@pytest.mark.parametrize("text", ["a:b", "a:b:../c", "a/b:c:1", "a:b:1:jar:x/y", "a..b:c:1", "a:b:c:d:e:f", "a:b: 1"])
def test_threat_20_coordinates_stay_in_their_folder(text: str) -> None:
    with pytest.raises(DefinitionError, match="no Maven coordinates"):
        parse_coordinates(text)


@pytest.mark.skipif(
    not (shutil.which("mvn") and (DEBIAN / "org/apache/maven/plugins/maven-dependency-plugin/3.5.0").is_dir()),
    reason="not installed: maven libmaven-dependency-plugin-java junit4 (Debian packages)",
)
def test_maven_tells_what_an_artifact_needs_at_run_time(tmp_path: Path) -> None:
    with FaultyServer(folder(DEBIAN)) as server:
        repositories = [MavenRepository(id="central", url=server.url)]
        env = settled_environment({"PATH": "/usr/bin:/bin"}, 0, {})
        program = MavenProgram(tmp_path / "local", tmp_path / "settings.xml", repositories, {}, env)
        resolver = Coordinates("org.apache.maven.resolver", "maven-resolver-impl", "1.6.3")
        said: list[str] = []
        found = program.closure(resolver, said.append, Silence())
        assert found[0] == resolver
        assert {one.artifact for one in found[1:]} >= {"maven-resolver-api", "maven-resolver-util", "slf4j-api"}
        client = Client(tmp_path / "client", server.url)
        for one in found:
            assert client.maven.fetch(one, None, Silence(), said_by="").file.size > 1000


def test_without_maven_its_absence_is_told(tmp_path: Path) -> None:
    program = MavenProgram(tmp_path / "local", tmp_path / "settings.xml", [], {}, {"PATH": str(tmp_path)})
    with pytest.raises(DefinitionError, match=r"the dependencies of com\.acme:app:1:jar are not to be had: mvn cannot"):
        program.closure(Coordinates("com.acme", "app", "1"), print, Silence())
