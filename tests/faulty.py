"""A real HTTP server for tests that can be told to answer badly: late, cut, wrong, refusing, or not at all."""

import base64
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request as Outgoing
from urllib.request import urlopen

Fault = int | Literal["cut", "stall", "wrong", "no ranges"]
"""A status to answer instead (429 with the wish to be asked again after 9 seconds); the connection closed after half of
the content; silence after half of it; other content of the same length; or the whole content where a part of it was
asked for."""

STALLED = 30
"""Seconds of silence, unless the test ends before."""


@dataclass(frozen=True)
class Reply:
    """What is behind a URL."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Backend = Callable[[str, Mapping[str, str]], Reply]
"""From a path with its query, and the request's headers, to the reply."""


def folder(root: Path) -> Backend:
    """Serve the files below a folder."""

    def reply(path: str, _: Mapping[str, str]) -> Reply:
        place = root / unquote(urlsplit(path).path).lstrip("/")
        return Reply(200, place.read_bytes()) if place.is_file() else Reply(404, b"not found")

    return reply


def upstream(url: str) -> Backend:
    """Pass on to another server, whole and without ranges."""

    def reply(path: str, headers: Mapping[str, str]) -> Reply:
        passed = {name: headers[name] for name in ("Authorization", "Accept") if name in headers}
        try:
            with urlopen(Outgoing(url + path, headers=passed)) as answer:
                return Reply(answer.status, answer.read(), dict(answer.headers))
        except HTTPError as error:
            return Reply(error.code, error.read(), dict(error.headers))

    return reply


class FaultyServer:
    """Serves a backend on a port of 127.0.0.1, also in ranges; a context manager.

    `faults` maps a part of a path (its end, with `$`) to the faults of its next requests, one each; `asked` are the
    paths and the first byte asked for, in order; `most_at_once` is how many requests were under way together.
    """

    def __init__(self, backend: Backend, credentials: str | None = None, delay: float = 0) -> None:
        """`credentials` as USER:PASSWORD are asked for by every request; each answer takes `delay` seconds."""
        self.backend = backend
        self.credentials = credentials
        self.delay = delay
        self.faults: dict[str, list[Fault]] = {}
        self.asked: list[tuple[str, int]] = []
        self.most_at_once = 0
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self._now = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that leave are no news
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}"

    def __enter__(self) -> "FaultyServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(self, path: str) -> Fault | None:
        """The next fault for a request of `path`."""
        with self.lock:
            return next((faults.pop(0) for part, faults in self.faults.items() if part in f"{path}$" and faults), None)

    def under_way(self, change: int) -> None:
        """Count requests."""
        with self.lock:
            self._now += change
            self.most_at_once = max(self.most_at_once, self._now)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.under_way(1)
                try:
                    _answer(server, self)
                except OSError:
                    self.close_connection = True
                finally:
                    server.under_way(-1)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _answer(server: FaultyServer, handler: BaseHTTPRequestHandler) -> None:
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    start = int(asked[1]) if asked else 0
    with server.lock:
        server.asked.append((handler.path, start))
    time.sleep(server.delay)
    fault = server.fault(handler.path)
    if isinstance(fault, int):
        _send(handler, Reply(fault, b"fault", {"Retry-After": "9"} if fault == 429 else {}))
        return
    if server.credentials and not _let_in(server.credentials, handler):
        _send(handler, Reply(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="test"'}))
        return
    reply = server.backend(handler.path, handler.headers)
    if reply.status == 200:
        reply = _in_range(reply, start if fault != "no ranges" else 0, fault == "wrong")
    if fault in ("cut", "stall"):
        _send(handler, reply, len(reply.content) // 2)
        if fault == "stall":
            server.ended.wait(STALLED)
        handler.close_connection = True
        return
    _send(handler, reply)


def _in_range(reply: Reply, start: int, wrong: bool) -> Reply:
    content = bytes(byte ^ 1 for byte in reply.content) if wrong else reply.content
    kept = {name: reply.headers[name] for name in ("Content-Type", "Docker-Content-Digest") if name in reply.headers}
    if not start:
        return Reply(200, content, kept)
    if start >= len(content):
        return Reply(416, b"", kept)
    return Reply(206, content[start:], kept | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"})


def _let_in(credentials: str, handler: BaseHTTPRequestHandler) -> bool:
    return handler.headers.get("Authorization") == "Basic " + base64.b64encode(credentials.encode()).decode()


def _send(handler: BaseHTTPRequestHandler, reply: Reply, only: int | None = None) -> None:
    handler.send_response(reply.status)
    kept = ("content-length", "connection", "transfer-encoding", "date", "server")
    for name, value in reply.headers.items():
        if name.lower() not in kept:
            handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(reply.content)))
    handler.end_headers()
    handler.wfile.write(reply.content[:only])
    handler.wfile.flush()
