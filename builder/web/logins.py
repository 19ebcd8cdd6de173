"""Who docker is logged in as: its configuration file and its credential helpers."""

import base64
import binascii
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle_format.errors import DefinitionError

DOCKER_HUB = "docker.io"

_HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # noqa: S105  # how helpers mark an identity token
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password, or an identity token that stands for both."""

    user: str
    password: str = field(repr=False)
    identity: str = field(default="", repr=False)


class DockerLogins:
    """The logins of one docker configuration folder (`~/.docker`, or what DOCKER_CONFIG names)."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        """`env` is what credential helpers are run with."""
        self._place = folder / "config.json"
        self._env = dict(env)

    def find(self, host: str) -> Login | None:
        """The login for a registry; None where there is none. DefinitionError where the configuration is broken."""
        config = self._read()
        keys = list(_keys(host))
        helpers = config.get("credHelpers") or {}
        helper = next((helpers[key] for key in keys if key in helpers), config.get("credsStore"))
        if helper:
            for key in keys:
                if login := self._ask(helper, key):
                    return login
        entries = config.get("auths") or {}
        return next((login for key in keys if key in entries and (login := _login(entries[key]))), None)

    def _read(self) -> Mapping[str, Any]:
        try:
            config = json.loads(self._place.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise DefinitionError(f"{self._place} cannot be read: {error}") from error
        return config if isinstance(config, dict) else {}

    def _ask(self, helper: str, key: str) -> Login | None:
        command = [f"docker-credential-{helper}", "get"]
        try:
            answer = subprocess.run(command, input=key.encode(), capture_output=True, env=self._env, check=False)
        except OSError as error:
            raise DefinitionError(
                f"{self._place} names the credential helper {command[0]}, which cannot be run: {error.strerror}"
            ) from error
        if answer.returncode:
            said = (answer.stdout + answer.stderr).decode(errors="replace").strip()
            if _NOT_FOUND in said:
                return None
            raise DefinitionError(f"{command[0]} failed for {key}: {said[:200]}")
        try:
            told = json.loads(answer.stdout)
            user, secret = str(told["Username"]), str(told["Secret"])
        except (ValueError, KeyError, TypeError) as error:
            raise DefinitionError(f"{command[0]} answers no credentials for {key}") from error
        return Login("", "", secret) if user == _TOKEN_USER else Login(user, secret)


def _keys(host: str) -> Iterator[str]:
    """The names under which a registry may stand there."""
    if host == DOCKER_HUB:
        yield _HUB_KEY
        yield "registry-1.docker.io"
    yield host
    for scheme in ("https", "http"):
        for path in ("", "/", "/v1/", "/v2/"):
            yield f"{scheme}://{host}{path}"


def _login(entry: Any) -> Login | None:
    if not isinstance(entry, dict):
        return None
    if entry.get("identitytoken"):
        return Login("", "", str(entry["identitytoken"]))
    try:
        user, _, password = base64.b64decode(entry.get("auth") or "").decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    user, password = user or str(entry.get("username", "")), password or str(entry.get("password", ""))
    return Login(user, password) if user else None
