"""Reaching engines over every transport, and what is said when one cannot be reached."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from agent.targets.docker import connection as connecting
from agent.targets.docker.engine import DockerEngine
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.deployment import Access
from tests.certificates import Authority
from tests.contracts.labs import OWNER, small_image
from tests.engines import PrivateEngine, missing
from tests.images import Shelf
from tests.ssh import SshServer, make_key, ssh_missing

OURS, THEIRS = "10.213.7.1", "10.213.7.2"


def reach(engine: str, **access: str) -> DockerEngine:
    return DockerEngine("one", Access(engine=engine, **access), OWNER)


def fault(engine: str, **access: str) -> TargetError:
    with pytest.raises(TargetError) as caught:
        reach(engine, **access)
    assert caught.value.message.startswith("one: ")
    assert caught.value.hint
    assert "Errno" not in caught.value.message
    return caught.value


@contextmanager
def silent_server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_a_missing_socket_is_told_with_a_remedy(tmp_path: Path) -> None:
    told = fault(f"unix://{tmp_path}/docker.sock")

    assert "cannot be reached" in told.message
    assert "nothing was changed" in told.message
    assert "systemctl start docker" in told.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_a_forbidden_socket_is_told_with_a_remedy(tmp_path: Path) -> None:
    path = Path("/tmp") / f"floto-test-{os.getpid()}.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o600)
        os.seteuid(65534)
        try:
            told = fault(f"unix://{path}")
        finally:
            os.seteuid(0)
            path.unlink()
    assert "group docker" in told.hint


def test_a_refused_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert "nothing listens there" in fault(f"tcp://127.0.0.1:{port}").hint


def test_a_host_nobody_knows_is_told() -> None:
    assert "cannot be reached" in fault("tcp://no-such-host.invalid:2375").message


def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "GREETING_SECONDS", 1)
    with silent_server() as address:
        begun = time.monotonic()
        told = fault(address)

    assert time.monotonic() - begun < 5
    assert "said nothing for 1 s" in told.message


@pytest.mark.engine
def test_an_engine_that_falls_silent_is_not_waited_for(shared: PrivateEngine) -> None:
    with closing(DockerEngine("one", Access(engine=shared.address), OWNER, patience=1)) as engine:
        shared.send(signal.SIGSTOP)
        try:
            with pytest.raises(TargetError, match="said nothing for 1 s"):
                engine.observe()
        finally:
            shared.send(signal.SIGCONT)
        assert engine.observe().host == "one"


@contextmanager
def answering(**answers: object) -> Iterator[str]:
    """A server that knows a few answers: the last word of a path, and the JSON or the text behind it."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers[self.path.split("?")[0].rpartition("/")[2]]
            self.send_response(200)
            self.end_headers()
            self.wfile.write((answer if isinstance(answer, str) else json.dumps(answer)).encode())

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("said", ["<html>printer</html>", "", [], {}, {"ApiVersion": "x"}, {"ApiVersion": 7}])
def test_a_server_that_is_no_engine_is_told(said: object) -> None:
    with answering(version=said) as address:
        assert "no docker engine" in fault(address).message


def test_an_engine_of_windows_containers_is_told() -> None:
    version = {"ApiVersion": "1.45", "MinAPIVersion": "1.24"}
    with answering(version=version, info={"OSType": "windows"}) as address:
        assert "runs windows containers" in fault(address).message


@pytest.mark.engine
def test_the_environment_does_not_lead_elsewhere(monkeypatch: pytest.MonkeyPatch, shared: PrivateEngine) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:1")

    with closing(reach(shared.address)) as engine:
        assert engine.observe().host == "one"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "nothing listens there" in fault(f"tcp://127.0.0.1:{port}").hint


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def remote(authority: Authority) -> Iterator[PrivateEngine]:
    """An engine behind a cable that speaks TLS on one port and plainly on another."""
    if why := missing():
        pytest.skip(why)
    certificate, key = authority.issue("server", THEIRS)
    tls = (f"--tlscacert={authority.ca}", f"--tlscert={certificate}", f"--tlskey={key}", "--tlsverify")
    with PrivateEngine("--host=tcp://0.0.0.0:2376", *tls) as private:
        private.link(f"{OURS}/30", f"{THEIRS}/30")
        yield private


@pytest.mark.engine
class TestTls:
    def test_works_with_certificates_of_both_sides(self, remote: PrivateEngine, authority: Authority) -> None:
        certificate, key = authority.issue("client")
        access = {"tls_ca": str(authority.ca), "tls_cert": str(certificate), "tls_key": str(key)}

        with closing(reach(f"tcp://{THEIRS}:2376", **access)) as engine:
            state = engine.observe()

        assert state.facts.root.startswith(str(remote.folder))
        assert (state.space, state.listening) == (None, None)

    def test_refuses_an_engine_of_another_authority(
        self, remote: PrivateEngine, authority: Authority, tmp_path: Path
    ) -> None:
        certificate, key = authority.issue("client")
        other = Authority(tmp_path)
        access = {"tls_ca": str(other.ca), "tls_cert": str(certificate), "tls_key": str(key)}

        assert "tls_ca" in fault(f"tcp://{THEIRS}:2376", **access).hint

    def test_is_refused_without_a_certificate_that_the_engine_trusts(
        self, remote: PrivateEngine, authority: Authority, tmp_path: Path
    ) -> None:
        certificate, key = Authority(tmp_path).issue("client")

        fault(f"tcp://{THEIRS}:2376", tls_ca=str(authority.ca))
        fault(f"tcp://{THEIRS}:2376", tls_ca=str(authority.ca), tls_cert=str(certificate), tls_key=str(key))
        assert "TLS" in fault(f"tcp://{THEIRS}:2376").hint

    def test_names_the_files_that_are_missing(self) -> None:
        told = fault(
            f"tcp://{THEIRS}:2376", tls_ca="/nowhere/ca.pem", tls_cert="/nowhere/c.pem", tls_key="/nowhere/k.pem"
        )

        assert all(name in told.message for name in ("/nowhere/ca.pem", "/nowhere/c.pem", "/nowhere/k.pem"))


@pytest.fixture(scope="module")
def login(remote: PrivateEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    if why := ssh_missing():
        pytest.skip(why)
    with SshServer(remote, THEIRS, tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.mark.engine
def test_engines_of_machines_cloned_from_one_image_are_told_apart(remote: PrivateEngine, shared: PrivateEngine) -> None:
    with (
        closing(reach(remote.address)) as one,
        closing(reach(shared.address)) as other,
        closing(reach(remote.address)) as same,
    ):
        ids = [engine.observe().facts.id for engine in (one, other, same)]

    assert ids[0] == ids[2] != ids[1]


@pytest.mark.engine
class TestSsh:
    def changed(self, login: SshServer, **fields: str) -> dict[str, str]:
        return {**login.access.model_dump(exclude_none=True), **fields}

    def test_carries_everything(self, login: SshServer) -> None:
        shelf = Shelf()
        image = small_image(shelf)

        with closing(DockerEngine("one", login.access, OWNER)) as engine:
            state = engine.observe()
            engine.load_images([image], shelf, Silence())

            assert engine.observe().image_id(image)
        assert (state.space, state.listening) == (None, None)

    def test_runs_programs_on_the_host_word_for_word(self, login: SshServer) -> None:
        said = list[str]()

        with closing(DockerEngine("one", login.access, OWNER)) as engine:
            assert engine.observe().has_shell
            assert engine.run_on_host(["printf", "%s\\n", "two  words", "$HOME;", "'"], 60, said.append) == 0
            assert engine.run_on_host(["sh", "-c", "exit 7"], 60, said.append) == 7
        assert said == ["two  words", "$HOME;", "'"]

    def test_refuses_a_host_with_another_key(self, login: SshServer, tmp_path: Path) -> None:
        known = login.known_as(make_key(tmp_path / "other"))

        told = fault(**self.changed(login, ssh_known_hosts=str(known)))

        assert "Host key verification failed" in told.message

    def test_is_refused_with_a_key_that_the_host_does_not_know(self, login: SshServer, tmp_path: Path) -> None:
        told = fault(**self.changed(login, ssh_key=str(make_key(tmp_path / "other"))))

        assert "Permission denied" in told.message

    def test_tells_that_there_is_no_engine_behind_it(self, login: SshServer) -> None:
        told = fault(**self.changed(login, engine=f"ssh://root@{THEIRS}:2222/nowhere.sock"))

        assert "cannot be reached" in told.message

    def test_tells_that_nobody_lets_in(self, login: SshServer) -> None:
        assert "Connection refused" in fault(**self.changed(login, engine=f"ssh://root@{THEIRS}:2223")).message

    def test_ends_when_the_agent_dies(self, login: SshServer, tmp_path: Path) -> None:
        script = (
            "import os, signal\n"
            "from agent.targets.docker.engine import DockerEngine\n"
            "from agent.labels import Owner\n"
            "from bundle_format.release.deployment import Access\n"
            f"engine = DockerEngine('one', Access(**{self.changed(login)!r}), Owner('a', 'b'))\n"
            "print(engine._connection._tunnel._child.pid, flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        command = [sys.executable, "-c", script]
        died = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert died.stdout.strip().isdigit(), died.stderr
        client = Path("/proc") / died.stdout.strip()

        deadline = time.monotonic() + 10
        while client.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not client.exists()
