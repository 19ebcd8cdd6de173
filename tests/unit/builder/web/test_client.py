"""Fetching goes on where it was cut, tries again what may get better, and says what to do about the rest."""

import hashlib
import random
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.sources.download import download, file_name
from builder.web.client import PIECE, NotThereError, Patience, Request, Web
from builder.web.partial import Partials
from bundle_format.errors import DamageError, DefinitionError
from bundle_format.progress import Silence
from bundle_format.store import Store
from tests.faulty import Fault, FaultyServer, folder

CONTENT = random.Random(7).randbytes(3_000_000)
PATIENCE = Patience(attempts=3, pause=0.01, quiet=0.5)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "big").write_bytes(CONTENT)
    (tmp_path / "served" / "small").write_bytes(b"small")
    with FaultyServer(folder(tmp_path / "served")) as server:
        yield server


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with Web(Partials(tmp_path / "partial"), PATIENCE) as web:
        yield web


def fetch(web: Web, server: FaultyServer, content: str | None = "this content") -> bytes:
    request = Request(f"{server.url}/big", "the big file")
    with web.download(request, content, Silence()) as stream:
        return stream.read()


def partials(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "partial").iterdir())


def test_content_comes_and_nothing_stays_behind(web: Web, server: FaultyServer, tmp_path: Path) -> None:
    assert web.get(Request(f"{server.url}/small", "it")).content == b"small"
    assert fetch(web, server) == CONTENT
    assert partials(tmp_path) == []


@pytest.mark.parametrize(
    ("faults", "starts"),
    [
        ([500, 503], [0, 0, 0]),
        (["cut"], [0, 1_500_000]),
        (["cut", "cut", "cut", "cut"], [0, 1_500_000, 2_250_000, 2_625_000, 2_812_500]),
        (["stall"], [0, 1_500_000 // PIECE * PIECE]),
        (["cut", "no ranges"], [0, 1_500_000]),
        (["cut", 500], [0, 1_500_000, 1_500_000]),
    ],
)
def test_what_gets_better_is_tried_again_from_where_it_was(
    web: Web, server: FaultyServer, faults: list[Fault], starts: list[int]
) -> None:
    server.faults["big"] = faults
    assert fetch(web, server) == CONTENT
    assert [start for _, start in server.asked] == starts


@pytest.mark.parametrize(
    ("fault", "message", "kind"),
    [
        (404, "the big file: .*/big answers 404", NotThereError),
        (401, "answers 401", DefinitionError),
        (403, "answers 403", DefinitionError),
        (400, "answers 400", DefinitionError),
    ],
)
def test_what_does_not_get_better_is_told_at_once(
    web: Web, server: FaultyServer, fault: int, message: str, kind: type[DefinitionError]
) -> None:
    server.faults["big"] = [fault]
    with pytest.raises(kind, match=message) as caught:
        fetch(web, server)
    assert caught.value.hint
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", [500, "stall", "cut"])
def test_patience_ends(web: Web, server: FaultyServer, fault: Fault) -> None:
    server.faults["small"] = [fault] * 9
    with pytest.raises(DefinitionError, match=r"tried 3 times"):
        web.get(Request(f"{server.url}/small", "it"))


def test_a_server_that_asks_for_a_pause_gets_it_within_reason(web: Web, server: FaultyServer) -> None:
    server.faults["small"] = [429]
    start = time.monotonic()
    assert web.get(Request(f"{server.url}/small", "it")).content == b"small"
    assert time.monotonic() - start >= PATIENCE.quiet


def test_a_server_that_is_not_there_is_told(web: Web) -> None:
    with pytest.raises(DefinitionError, match="refuses connections"):
        web.get(Request("http://127.0.0.1:9/x", "it"))


def test_a_server_that_nobody_knows_is_told(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DefinitionError, match="name does not resolve") as caught:
        web.get(Request("http://nowhere.invalid/x", "it"))
    assert "spelt right" in caught.value.hint


@pytest.mark.parametrize("url", ["", "x", "ftp://x/y", "http:///x", "http://[x", "http://x:y/"])
def test_what_is_no_address_is_told_at_once(web: Web, tmp_path: Path, url: str) -> None:
    with pytest.raises(DefinitionError, match=f"{re.escape(url)} is no address of a server") as caught:
        download(url, None, web, Store(tmp_path / "store"), Silence(), said_by="")
    assert "tried" not in caught.value.message
    assert "https://" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/tool%20one.tgz?token=x#part", "tool one.tgz"),
        ("https://host/", "download"),
        ("https://host", "download"),
        ("x", "download"),
        ("http://[x", "download"),
    ],
)
def test_a_file_is_called_as_its_address_ends(url: str, name: str) -> None:
    assert file_name(url) == name


def test_what_was_fetched_before_a_kill_is_not_fetched_again(web: Web, server: FaultyServer, tmp_path: Path) -> None:
    server.faults["big"] = ["cut", 500, 500, 500, 500]
    with pytest.raises(DefinitionError):
        fetch(web, server)
    assert [place.stat().st_size for place in partials(tmp_path)] == [1_500_000]
    server.faults.clear()
    server.asked.clear()
    assert fetch(web, server) == CONTENT
    assert [start for _, start in server.asked] == [1_500_000]
    assert partials(tmp_path) == []


def test_a_kill_after_the_last_byte_costs_nothing(web: Web, server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    name = hashlib.sha256(b"this content").hexdigest()
    (tmp_path / "partial" / name).write_bytes(CONTENT)
    assert fetch(web, server) == CONTENT


def test_a_kill_between_the_last_byte_and_the_end_leaves_nothing_for_good(web: Web, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    blob = store.add_bytes(CONTENT)
    with Partials(tmp_path / "partial").open(blob.digest) as partial:
        partial.append(CONTENT)
        web.forget(blob.digest)
        assert len(partials(tmp_path)) == 1, "another process's download was taken away"
    fetched = download("http://127.0.0.1:9/big", blob.digest, web, store, Silence(), said_by="the lock")
    assert fetched.digest == blob.digest
    assert partials(tmp_path) == []


def test_content_that_turns_out_wrong_is_forgotten(web: Web, server: FaultyServer, tmp_path: Path) -> None:
    with (
        pytest.raises(DamageError),
        web.download(Request(f"{server.url}/big", "it"), "this", Silence()) as stream,
    ):
        stream.read(100)
        raise DamageError("not what it should be")
    assert partials(tmp_path) == []


def test_content_nobody_knows_is_never_pieced_together(web: Web, server: FaultyServer, tmp_path: Path) -> None:
    server.faults["big"] = ["cut", "no ranges"]
    with pytest.raises(DefinitionError, match="changed while it was fetched"):
        fetch(web, server, content=None)
    server.asked.clear()
    assert fetch(web, server, content=None) == CONTENT
    assert [start for _, start in server.asked] == [0]


def test_passwords_in_urls_are_not_shown(web: Web, server: FaultyServer) -> None:
    with pytest.raises(DefinitionError) as caught:
        web.get(Request(f"http://user:hunter2@{server.host}/none?token=hunter2", "it"))
    assert "hunter2" not in caught.value.message
