"""One connection to one engine: transports, API version, time-outs, and every failure as an error of ours.

The SDK carries the bytes over unix sockets, named pipes and TCP with TLS; paths and bodies of the API are ours, because
only so every answer is streamed and every wait ends.
"""

import errno
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from docker import APIClient
from docker.errors import DockerException
from docker.tls import TLSConfig
from urllib3.exceptions import HTTPError, ReadTimeoutError

from agent.targets.docker.tunnel import Tunnel
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Access

OLDEST_API = (1, 41)
"""Docker 20.10; later engines are asked to behave like it where they can, so that they all behave alike."""

CONNECT_SECONDS = 10
GREETING_SECONDS = 15
ANSWER_SECONDS = 60


class RefusedError(TargetError):
    """The engine answered, and the answer was no; `status` is HTTP's."""

    def __init__(self, message: str, hint: str, status: int) -> None:
        super().__init__(message, hint)
        self.status = status


class SilentError(TargetError):
    """The engine said nothing for so long that it is not waited for any more."""


class Connection:
    """An engine that answered; safe to use from several threads."""

    def __init__(self, host: str, access: Access, patience: float = ANSWER_SECONDS) -> None:
        """Reach the engine; TargetError when it cannot be reached, forbids it, or is none.

        `patience` is for how many seconds it may say nothing where no verb says otherwise.
        """
        self.host = host
        self.address = access.engine
        self._patience = patience
        self._tunnel = Tunnel(host, access) if access.engine.startswith("ssh://") else None
        self._client = self._open(access)
        self._prefix = self._client.base_url
        try:
            with self.stream("GET", "/version", seconds=min(GREETING_SECONDS, patience)) as response:
                self.version: dict[str, Any] = json.loads(response.content)
            self.api = _negotiated(self.version)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            self.close()
            raise TargetError(
                f"{host}: what answers at {self.address} is no docker engine",
                "look at `engine` of this host in the site's file",
            ) from error
        except BaseException:
            self.close()
            raise
        self._prefix = f"{self._client.base_url}/v{self.api[0]}.{self.api[1]}"

    def close(self) -> None:
        """Close all of it; harmless when repeated."""
        self._client.close()
        if self._tunnel:
            self._tunnel.close()

    def get(self, path: str, /, **query: str | int | bool) -> Any:
        """The JSON that the engine has at `path`."""
        with self.stream("GET", path, query=query) as response:
            return response.json()

    def find(self, path: str, /, **query: str | int | bool) -> Any:
        """The JSON that the engine has at `path`; None if it does not know the thing."""
        try:
            return self.get(path, **query)
        except RefusedError as refused:
            if refused.status == requests.codes.not_found:
                return None
            raise

    def post(
        self,
        path: str,
        body: Any = None,
        /,
        *,
        seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
        **query: str | int | bool,
    ) -> Any:
        """Ask for a change; the JSON that the engine answers, None for an empty answer."""
        with self.stream("POST", path, query=query, body=body, seconds=seconds, headers=headers) as response:
            return json.loads(response.content or b"null")

    def put(self, path: str, content: Iterable[bytes] | bytes, /, *, seconds: float, **query: str | int | bool) -> None:
        """Hand over a tar stream."""
        with self.stream("PUT", path, query=query, content=content, seconds=seconds):
            return

    def delete(self, path: str, /, **query: str | int | bool) -> bool:
        """Ask for a removal; False if there was nothing to remove."""
        try:
            with self.stream("DELETE", path, query=query):
                return True
        except RefusedError as refused:
            if refused.status == requests.codes.not_found:
                return False
            raise

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | bool] | None = None,
        body: Any = None,
        content: Iterable[bytes] | bytes | None = None,
        seconds: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[requests.Response]:
        """An answer whose bytes have not been read yet; between any two of them at most `seconds` may pass."""
        seconds = self._patience if seconds is None else seconds
        with self._translated(seconds, changes=method != "GET"):
            tar = {"Content-Type": "application/x-tar"} if content is not None else {}
            response = self._client.request(
                method,
                self._prefix + quote(path),
                params={key: int(value) if isinstance(value, bool) else value for key, value in (query or {}).items()},
                json=body,
                data=content,
                headers={**tar, **(headers or {})},
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, seconds),
            )
            with response:
                if response.status_code >= requests.codes.bad_request:
                    raise _refused(self.host, response)
                yield response

    @contextmanager
    def _translated(self, seconds: float, *, changes: bool) -> Iterator[None]:
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise TargetError(
                f"{self.host}: no trusted TLS connection to {self.address}: {_innermost(error)}; nothing was changed",
                "compare tls_ca, tls_cert and tls_key of this host in the site's file with the engine's certificate",
            ) from error
        except (requests.exceptions.ReadTimeout, ReadTimeoutError) as error:
            raise self._silent(seconds, changes=changes) from error
        except (requests.exceptions.RequestException, HTTPError) as error:
            innermost = _innermost(error)
            if isinstance(innermost, TimeoutError) and not isinstance(error, requests.exceptions.ConnectTimeout):
                raise self._silent(seconds, changes=changes) from error
            raise self._unreachable(innermost) from error

    def _silent(self, seconds: float, *, changes: bool) -> SilentError:
        unknown = "; whether it did what it was last asked is not known" if changes else ""
        return SilentError(
            f"{self.host}: the engine at {self.address} said nothing for {seconds:.0f} s{unknown}",
            "see whether it works (docker info), then run the same command again: it looks before it acts",
        )

    def _unreachable(self, cause: BaseException) -> TargetError:
        told = self._tunnel.complaint() if self._tunnel else ""
        told = told or getattr(cause, "strerror", None) or str(cause)
        hint = _HINTS.get(getattr(cause, "errno", None) or 0, "see whether the engine runs and the way to it is open")
        return TargetError(
            f"{self.host}: the engine at {self.address} cannot be reached: {told}; nothing was changed",
            hint,
        )

    def _open(self, access: Access) -> APIClient:
        address = self._tunnel.address if self._tunnel else access.engine
        tls = _tls(self.host, access) if address.startswith("tcp://") else None
        try:
            # The version is a placeholder: paths are ours. Proxies and netrc of the environment are for the internet.
            client = APIClient(base_url=address, version="1.41", tls=tls or False, timeout=ANSWER_SECONDS)
        except (DockerException, ValueError) as error:
            raise TargetError(
                f"{self.host}: {access.engine} is no address of an engine: {error}",
                'write engine = "unix:///var/run/docker.sock", "tcp://ADDRESS:2376", "ssh://USER@ADDRESS" or, on '
                'Windows, "npipe:////./pipe/docker_engine"',
            ) from error
        client.trust_env = False
        client.headers["Accept-Encoding"] = "identity"
        return client


_HINTS: Mapping[int, str] = {
    errno.ENOENT: "no such socket: start the engine (systemctl start docker) or mend `engine` in the site's file",
    errno.EACCES: "run as root or as a member of the group docker",
    errno.ECONNREFUSED: "nothing listens there: start the engine (systemctl start docker)",
    errno.EHOSTUNREACH: "the host does not answer on the network: look at its address, its power and its cable",
    errno.ENETUNREACH: "this computer has no way to that network",
}


def _tls(host: str, access: Access) -> TLSConfig | None:
    paths = {"tls_ca": access.tls_ca, "tls_cert": access.tls_cert, "tls_key": access.tls_key}
    if not any(paths.values()):
        return None
    absent = [f"{name} = {path}" for name, path in paths.items() if path and not Path(path).is_file()]
    if absent:
        raise TargetError(
            f"{host}: there is no file {', '.join(absent)}; nothing was changed",
            "mend the host's entry in the site's file",
        )
    pair = (access.tls_cert, access.tls_key) if access.tls_cert and access.tls_key else None
    return TLSConfig(client_cert=pair, ca_cert=access.tls_ca, verify=True)


def _negotiated(version: Mapping[str, Any]) -> tuple[int, int]:
    newest, oldest = _pair(version["ApiVersion"]), _pair(version.get("MinAPIVersion", "1.24"))
    return min(newest, max(OLDEST_API, oldest))


def _pair(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


def _refused(host: str, response: requests.Response) -> RefusedError:
    try:
        said = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        said = response.text.strip()[:500] or response.reason
    return RefusedError(f"{host}: the engine refused: {said}", advice_on(said), response.status_code)


def advice_on(said: str) -> str:
    """What to do about an engine's complaint, empty if we know nothing better than it."""
    return next((hint for part, hint in _ADVICE if part in said), "")


_ADVICE = (
    ("no space left on device", "make room under the engine's root (docker info: Docker Root Dir), then run it again"),
    (
        "port is already allocated",
        "another container has the port: docker ps shows which; where none has it, Docker 20.10 died in the middle of "
        "a start and keeps the port for nobody until it is started again: systemctl restart docker",
    ),
    ("address already in use", "a process of the host has the port: ss -lntup shows which"),
    ("HTTPS server", "the engine speaks TLS: give tls_ca, tls_cert and tls_key in the site's file"),
)


def _innermost(error: BaseException) -> BaseException:
    """The first cause: requests and urllib3 wrap what the operating system said several times."""
    while (inner := _cause(error)) is not None:
        error = inner
    return error


def _cause(error: BaseException) -> BaseException | None:
    told = (error.__cause__, error.__context__, *error.args, getattr(error, "reason", None))
    return next((part for part in told if isinstance(part, BaseException)), None)
