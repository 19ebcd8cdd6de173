"""How a registry lets us in: by user and password, or by a token that it names an authority for."""

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from builder.web.client import Request, Web
from builder.web.logins import DockerLogins, Login
from bundle_format.errors import DefinitionError

_CLIENT = "floto-builder"
_FIELD = re.compile(r'(\w+)="([^"]*)"')


class Admission:
    """How one repository lets us in: by user and password, or by a token that these are exchanged for."""

    def __init__(self, web: Web, logins: DockerLogins, server: str) -> None:
        self._web = web
        self._logins = logins
        self._server = server
        self._header = ""
        self._lock = threading.Lock()

    def headers(self) -> Mapping[str, str]:
        """The Authorization header, once the registry has asked for one."""
        return {"Authorization": self._header} if self._header else {}

    def learn(self, challenge: str) -> bool:
        """Get what the registry asks for (RFC 9110, WWW-Authenticate); False where we have nothing to offer."""
        scheme, _, rest = challenge.partition(" ")
        with self._lock:
            login = self._logins.find(self._server)
            before = self._header
            if scheme.lower() == "basic" and login:
                self._header = basic(login)
            elif scheme.lower() == "bearer":
                self._header = f"Bearer {self._token(dict(_FIELD.findall(rest)), login)}"
            return self._header != before

    def _token(self, asked: Mapping[str, str], login: Login | None) -> str:
        """A token of the authority that the registry names (distribution: token authentication specification)."""
        fields = {name: asked[name] for name in ("service", "scope") if name in asked}
        what = f"a token for {self._server}"
        remedy = "Log in with: docker login"
        if login and login.identity:
            form = {"grant_type": "refresh_token", "refresh_token": login.identity, "client_id": _CLIENT, **fields}
            request = Request(asked.get("realm", ""), what, form=form, remedy=remedy)
        else:
            query = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
            url = f"{asked.get('realm', '')}?{query}"
            request = Request(url, what, authority=Known(basic(login)) if login else Known(""), remedy=remedy)
        try:
            answer = json.loads(self._web.get(request).content)
            return str(answer.get("token") or answer["access_token"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DefinitionError(f"{what}: {asked.get('realm')} answers no token", remedy) from error


@dataclass(frozen=True, slots=True)
class Known:
    """An Authority with a header that is known beforehand."""

    header: str

    def headers(self) -> Mapping[str, str]:
        """It, if it is not empty."""
        return {"Authorization": self.header} if self.header else {}

    def learn(self, challenge: str) -> bool:  # noqa: ARG002  # the Protocol's name
        """There is nothing else to offer."""
        return False


def basic(login: Login) -> str:
    """The Authorization header of a user and a password (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
