"""Images come from a real registry, let in by password or token, and through every fault on the way."""

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from builder.sources.registry import Registries, RemoteImage, parse_reference
from builder.web.client import Patience, Web
from builder.web.logins import DockerLogins
from builder.web.partial import Partials
from builder.web.settings import Registry as Settings
from bundle_format.digest import digest_of
from bundle_format.errors import DefinitionError
from bundle_format.progress import Silence
from bundle_format.store import Store
from tests import images, registries
from tests.faulty import Fault, FaultyServer, upstream
from tests.registries import Compression, PrivateRegistry

PATIENCE = Patience(attempts=3, pause=0.01, quiet=1)
LAYERS = [images.layer({"etc/one": random.Random(1).randbytes(400_000)}), images.layer({"etc/two": b"2"})]
Start = Callable[..., PrivateRegistry]


@pytest.fixture
def start() -> Iterator[Start]:
    if reason := registries.missing():
        pytest.skip(reason)
    with ExitStack() as opened:
        yield lambda auth="none": opened.enter_context(PrivateRegistry(auth))


class Client:
    """A project's registries, with a docker configuration of its own."""

    def __init__(self, folder: Path, config: bytes = b"{}", **settings: Settings) -> None:
        (folder / "docker").mkdir(parents=True, exist_ok=True)
        (folder / "docker" / "config.json").write_bytes(config)
        self.store = Store(folder / "store")
        web = Web(Partials(folder / "partial"), PATIENCE)
        env = {"PATH": f"{folder}:{os.environ['PATH']}"}
        self.registries = Registries(web, DockerLogins(folder / "docker", env), settings, self.store)

    def pull(self, reference: str, platform: str = "linux/amd64") -> RemoteImage:
        image = self.registries.resolve(parse_reference(reference), platform, None)
        for layer in image.layers:
            self.registries.fetch(layer, Silence())
        return image

    def has(self, layers: list[bytes]) -> bool:
        return all(self.store.read_bytes(digest_of(layer)) == layer for layer in layers)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_layers_come_uncompressed_whatever_the_registry_keeps(
    start: Start, tmp_path: Path, compression: Compression
) -> None:
    registry = start()
    manifest = registry.push("team/web:1.0", LAYERS, compression)
    client = Client(tmp_path)
    image = client.pull(f"{registry.host}/team/web:1.0")
    assert image.manifest == manifest
    assert [layer.diff_id for layer in image.layers] == [digest_of(layer) for layer in LAYERS]
    assert client.has(LAYERS)
    assert json.loads(client.store.read_bytes(image.config))["os"] == "linux"


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_the_login_of_docker_opens_a_registry(start: Start, tmp_path: Path, auth: str) -> None:
    registry = start(auth)
    registry.push("web:1", LAYERS)
    with pytest.raises(DefinitionError, match="401"):
        Client(tmp_path).pull(f"{registry.host}/web:1")
    client = Client(tmp_path, registry.docker_config())
    client.pull(f"{registry.host}/web:1")
    assert client.has(LAYERS)


def test_a_wrong_password_is_told(start: Start, tmp_path: Path) -> None:
    registry = start("basic")
    wrong = json.dumps({"auths": {registry.host: {"username": "ann", "password": "hunter2"}}}).encode()
    with pytest.raises(DefinitionError, match="answers 401") as caught:
        Client(tmp_path, wrong).pull(f"{registry.host}/web:1")
    assert "Check the credentials" in caught.value.hint
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "auth"),
    [
        ({"Username": registries.USER, "Secret": registries.PASSWORD}, "basic"),
        ({"Username": registries.USER, "Secret": registries.PASSWORD}, "token"),
        ({"Username": "<token>", "Secret": registries.IDENTITY}, "token"),
    ],
)
def test_credential_helpers_are_asked(start: Start, tmp_path: Path, answer: dict[str, str], auth: str) -> None:
    registry = start(auth)
    registry.push("web:1", LAYERS)
    helper = tmp_path / "docker-credential-test"
    helper.write_text(f"#!/bin/sh\ngrep -qx '{registry.host}' && echo '{json.dumps(answer)}'\n", encoding="utf-8")
    helper.chmod(0o755)
    config = json.dumps({"credHelpers": {registry.host: "test"}}).encode()
    client = Client(tmp_path, config)
    client.pull(f"{registry.host}/web:1")
    assert client.has(LAYERS)


def test_an_index_gives_the_image_of_the_platform(start: Start, tmp_path: Path) -> None:
    registry = start()
    for number, architecture in enumerate(("amd64", "arm64")):
        registry.push(f"web:{architecture}", [LAYERS[number]], architecture=architecture)
    index = registry.push_index("web:1", {"linux/amd64": "amd64", "linux/arm64/v8": "arm64"})
    client = Client(tmp_path)
    for reference in (f"{registry.host}/web:1", f"{registry.host}/web@{index}"):
        assert [one.diff_id for one in client.pull(reference).layers] == [digest_of(LAYERS[0])]
        assert [one.diff_id for one in client.pull(reference, "linux/arm64").layers] == [digest_of(LAYERS[1])]
    with pytest.raises(DefinitionError, match="not there for linux/s390x") as caught:
        client.pull(f"{registry.host}/web:1", "linux/s390x")
    assert caught.value.hint == "It is there for: linux/amd64, linux/arm64, linux/arm64/v8."


@pytest.mark.parametrize(
    ("architecture", "wanted"), [("amd64", "linux/arm64"), ("arm64", "linux/amd64"), ("arm64", "linux/arm/v7")]
)
def test_a_tag_of_one_image_is_taken_for_its_own_platform_alone(
    start: Start, tmp_path: Path, architecture: str, wanted: str
) -> None:
    registry = start()
    registry.push("web:1", LAYERS, architecture=architecture)
    client = Client(tmp_path)
    with pytest.raises(DefinitionError, match=f"not there for {wanted}") as caught:
        client.pull(f"{registry.host}/web:1", wanted)
    assert caught.value.hint == f"It is there for: linux/{architecture}."
    client.pull(f"{registry.host}/web:1", f"linux/{architecture}")
    client.pull(f"{registry.host}/web:1", f"linux/{architecture}/v8")


def test_a_mirror_stands_for_a_registry(start: Start, tmp_path: Path) -> None:
    registry = start()
    registry.push("hub/library/nginx:1.27", LAYERS)
    client = Client(tmp_path, **{"docker.io": Settings(mirror=f"{registry.host}/hub")})
    assert str(client.pull("nginx:1.27").reference) == "docker.io/library/nginx:1.27"
    assert client.has(LAYERS)


def test_pinned_and_fetched_an_image_needs_no_registry(start: Start, tmp_path: Path) -> None:
    registry = start()
    registry.push("web:1", LAYERS)
    client = Client(tmp_path)
    image = client.pull(f"{registry.host}/web:1")
    registry.stop()
    with Partials(tmp_path / "partial").open(image.layers[0].digest) as killed:
        killed.append(LAYERS[0])
    for layer in image.layers:
        client.registries.fetch(layer, Silence())
    assert list((tmp_path / "partial").iterdir()) == []
    again = client.registries.resolve(parse_reference(f"{registry.host}/web:1"), "linux/amd64", image.manifest)
    assert again == image
    with pytest.raises(DefinitionError, match="refuses connections"):
        client.pull(f"{registry.host}/web:1")


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        ("/blobs/", [500, 503]),
        ("/blobs/", ["cut", "cut"]),
        ("/blobs/", ["stall"]),
        ("/manifests/", [502]),
        ("/manifests/", ["cut"]),
        ("big", ["wrong"]),
        ("big", ["cut", "wrong"]),
        ("big", ["cut", "no ranges"]),
    ],
)
def test_faults_that_pass_are_survived(start: Start, tmp_path: Path, path: str, faults: list[Fault]) -> None:
    registry = start()
    registry.push("web:1", LAYERS, "none")
    with FaultyServer(upstream(registry.url)) as server:
        server.faults[digest_of(LAYERS[0]) if path == "big" else path] = list(faults)
        client = Client(tmp_path)
        client.pull(f"{server.host}/web:1")
    assert client.has(LAYERS)
    assert list((tmp_path / "partial").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "fault", "message"),
    [
        ("/manifests/", 404, r"/v2/web/manifests/1 answers 404"),
        ("/manifests/", 401, "answers 401"),
        ("/blobs/", 403, "answers 403"),
        ("/blobs/", 500, r"answers 500 .*\(tried 3 times\)"),
        ("/blobs/", "stall", r"went silent \(tried 3 times\)"),
        ("/manifests/", "cut", r"broke off .*\(tried 3 times\)"),
        ("layer", "wrong", "other content than its digest says"),
        ("config", "wrong", "other content than its digest says"),
        ("/manifests/sha256", "wrong", "other content than its digest says"),
    ],
)
def test_faults_that_stay_are_told_and_the_store_stays_sound(
    start: Start, tmp_path: Path, path: str, fault: Fault, message: str
) -> None:
    registry = start()
    manifest = registry.push("web:1", LAYERS)
    described = json.loads(Client(tmp_path).store.read_bytes(_kept(tmp_path, registry, manifest)))
    found = {"layer": described["layers"][0]["digest"], "config": described["config"]["digest"]}
    with FaultyServer(upstream(registry.url)) as server:
        server.faults[found.get(path, path)] = [fault] * 9
        client = Client(tmp_path / "new")
        version = f"@{manifest}" if "sha256" in path else ":1"
        with pytest.raises(DefinitionError, match=message) as caught:
            client.pull(f"{server.host}/web{version}")
    assert caught.value.message.startswith(f"{server.host}/web{version}: http://{server.host}/v2/web/")
    assert caught.value.hint
    for digest in client.store:
        client.store.read_bytes(digest)


def _kept(folder: Path, registry: PrivateRegistry, manifest: str) -> str:
    return (
        Client(folder)
        .registries.resolve(parse_reference(f"{registry.host}/web@{manifest}"), "linux/amd64", None)
        .manifest
    )
