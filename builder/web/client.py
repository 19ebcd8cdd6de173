"""HTTP as sources need it: patient, gone on with where it was cut, and with errors that say what to do."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import requests
import urllib3
from requests.auth import AuthBase

from builder.web.partial import Partial, Partials
from bundle_format.errors import DamageError, DefinitionError
from bundle_format.pieces import stream_of
from bundle_format.progress import Task

MOST_SMALL = 16 << 20
"""Bytes that an answer may have which is read whole: manifests, metadata, checksums."""

PIECE = 64 << 10
"""Bytes read at once: what is lost at most when a connection goes silent."""

CONNECT = 20.0
"""Seconds for a connection to be made."""

_USER = re.compile(r"(?<=//)[^/]*@")
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_CUT = (requests.RequestException, urllib3.exceptions.HTTPError)
_NO_ADDRESS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema)
_HOPELESS = (requests.exceptions.SSLError, *_NO_ADDRESS)
_GO_ON = "What was fetched is kept: run it again and only the rest is fetched."


class Authority(Protocol):
    """Who is let in, and how."""

    def headers(self) -> Mapping[str, str]:
        """What to send along."""

    def learn(self, challenge: str) -> bool:
        """Take in a WWW-Authenticate header; whether it is worth asking again."""


class Nobody:
    """An Authority without credentials."""

    def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def learn(self, challenge: str) -> bool:  # noqa: ARG002  # the Protocol's name
        """There is nothing to offer."""
        return False


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is tried without any advance, the first pause between two, and how long silence is borne.

    Seconds; each pause is twice the one before, or what the server asks for, but no longer than silence is borne.
    """

    attempts: int = 5
    pause: float = 1.0
    quiet: float = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, or posted as a `form`; `what` names it in errors, `remedy` helps where it is not there."""

    url: str
    what: str
    authority: Authority = field(default_factory=Nobody)
    accept: str = "*/*"
    form: Mapping[str, str] | None = None
    remedy: str = "Is the name right, and is it there?"


@dataclass(frozen=True, slots=True)
class Answer:
    """A small answer, read whole."""

    content: bytes
    headers: Mapping[str, str]


class Web:
    """HTTP for several threads at once; proxies and certificates are those of the environment."""

    def __init__(self, partials: Partials, patience: Patience = Patience(), connections: int = 16) -> None:
        """`connections` are kept open to one server at most."""
        self._partials = partials
        self._patience = patience
        self._session = requests.Session()
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, request: Request, task: Task | None = None) -> Answer:
        """A small answer; NotThereError, or DefinitionError for whatever else goes wrong for good."""
        trials = _Trials(request, self._patience, task)
        while True:
            try:
                with closing(self._ask(request, {})) as response:
                    return Answer(_small(request, response), response.headers)
            except _CUT as error:
                trials.failed(error)

    @contextmanager
    def download(self, request: Request, content: str | None, task: Task) -> Iterator[BinaryIO]:
        """The bytes behind a URL as a stream, gone on with from what an earlier attempt has left.

        `content` names exactly these bytes; None: nothing is known of them, and an earlier attempt does not count.
        What is kept is forgotten when the context ends well or with DamageError.
        """
        with self._partials.open(content or request.url) as partial:
            if content is None:
                partial.clear()
            try:
                yield stream_of(self._pieces(request, partial, task, known=content is not None))
            except DamageError:
                partial.remove()
                raise
            partial.remove()

    def forget(self, content: str) -> None:
        """What `content` names is in the store: nothing need be left of an earlier attempt."""
        self._partials.forget(content)

    def _pieces(self, request: Request, partial: Partial, task: Task, *, known: bool) -> Iterator[bytes]:
        for piece in partial.content():
            task.advance(len(piece))
            yield piece
        trials = _Trials(request, self._patience, task)
        version = ""
        while True:
            try:
                with closing(self._ask(request, _range(partial.size, version))) as response:
                    if response.status_code == requests.codes.requested_range_not_satisfiable:
                        return
                    if partial.size and not known and not _continues(response):
                        raise DefinitionError(f"{request.what}: {_plain(request.url)} changed while it was fetched")
                    version = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
                    for piece in _rest(response, partial.size):
                        partial.append(piece)
                        task.advance(len(piece))
                        trials.advanced()
                        yield piece
                    return
            except _CUT as error:
                trials.failed(error)

    def _ask(self, request: Request, headers: Mapping[str, str]) -> requests.Response:
        for last in (False, True):
            sent = {"Accept": request.accept, "Accept-Encoding": "identity", **headers}
            response = self._session.request(
                "POST" if request.form else "GET",
                request.url,
                data=request.form,
                headers=sent,
                auth=_Sent(request.authority.headers()),
                stream=True,
                timeout=(CONNECT, self._patience.quiet),
            )
            challenge = response.headers.get("WWW-Authenticate", "")
            if response.status_code == requests.codes.unauthorized and not last and request.authority.learn(challenge):
                response.close()
                continue
            _judge(request, response)
            return response
        raise AssertionError


class NotThereError(DefinitionError):
    """The server has no such thing."""


class _TryAgainError(requests.RequestException):
    """An answer that may be another the next time, `after` so many seconds if the server says."""

    def __init__(self, told: str, after: float = 0.0) -> None:
        super().__init__(told)
        self.after = after


class _Sent(AuthBase):
    """Sends just these headers, so that no .netrc is asked for others."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers.update(self._headers)
        return prepared


class _Trials:
    """Counts failures without any advance between them, and waits longer after each."""

    def __init__(self, request: Request, patience: Patience, task: Task | None) -> None:
        self._request = request
        self._patience = patience
        self._task = task
        self._failures = 0

    def advanced(self) -> None:
        self._failures = 0

    def failed(self, error: Exception) -> None:
        """Wait for the next attempt; DefinitionError when this was the last."""
        self._failures += 1
        hopeless = isinstance(error, _HOPELESS)
        if hopeless or self._failures >= self._patience.attempts:
            why, hint = _why(error)
            raise DefinitionError(
                f"{self._request.what}: {_plain(self._request.url)} {why}"
                + ("" if hopeless else f" (tried {self._failures} times)"),
                hint,
            ) from error
        asked = min(error.after, self._patience.quiet) if isinstance(error, _TryAgainError) else 0.0
        until = time.monotonic() + max(asked, self._patience.pause * 2 ** (self._failures - 1))
        while time.monotonic() < until:
            time.sleep(min(0.2, self._patience.pause))
            if self._task:
                self._task.advance(0)


def _judge(request: Request, response: requests.Response) -> None:
    """Pass what can be read; an error for the rest."""
    status = response.status_code
    if status < 400 or status == requests.codes.requested_range_not_satisfiable:
        return
    response.close()
    if status in _AGAIN:
        seconds = response.headers.get("Retry-After", "")
        raise _TryAgainError(f"answers {status} {response.reason}", float(seconds) if seconds.isdecimal() else 0.0)
    told = f"{request.what}: {_plain(request.url)} answers {status} {response.reason}"
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        raise DefinitionError(told, "Check the credentials for that server, and whether they may read it.")
    if status in (requests.codes.not_found, requests.codes.gone):
        raise NotThereError(told, request.remedy)
    raise DefinitionError(told, request.remedy)


def _small(request: Request, response: requests.Response) -> bytes:
    content = b""
    for piece in response.raw.stream(PIECE):
        content += piece
        if len(content) > MOST_SMALL:
            raise DefinitionError(f"{request.what}: {_plain(request.url)} answers more than 16 MiB")
    return content


def _range(start: int, version: str) -> dict[str, str]:
    if not start:
        return {}
    # A weak ETag says too little to go on with (RFC 9110, If-Range).
    condition = {"If-Range": version} if version and not version.startswith("W/") else {}
    return {"Range": f"bytes={start}-", **condition}


def _continues(response: requests.Response) -> bool:
    return bool(response.status_code == requests.codes.partial_content)


def _rest(response: requests.Response, start: int) -> Iterator[bytes]:
    """The content from `start` on, also of a server that does not know ranges."""
    skip = 0 if _continues(response) else start
    if _continues(response) and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _TryAgainError("answers with another range than it was asked for")
    for piece in response.raw.stream(PIECE):
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:]
        skip = 0


def _plain(url: str) -> str:
    """A URL without the user, password or token in it."""
    return _USER.sub("", re.split("[?#]", url)[0])


def _why(error: Exception) -> tuple[str, str]:
    """What went wrong, and what to do about it."""
    why, hint = f"broke off ({type(error).__name__})", _GO_ON
    match error:
        case _TryAgainError():
            why = str(error)
        case _ if isinstance(error, _NO_ADDRESS):
            why, hint = "is no address of a server, or leads to none", "Write it like https://host/folder/file."
        case requests.exceptions.SSLError():
            why = f"has a certificate that is not trusted ({error})"
            hint = "REQUESTS_CA_BUNDLE names further authorities."
        case requests.Timeout() | urllib3.exceptions.TimeoutError():
            why = "went silent"
        case requests.exceptions.ConnectionError() if "refused" in str(error):
            why = "refuses connections"
        case requests.exceptions.ConnectionError() if "NameResolutionError" in str(error):
            why = "is on a server whose name does not resolve"
            hint = "Is the name spelt right, and does this network know it?"
    return why, hint
