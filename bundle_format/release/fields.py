"""The kinds of field that a release's values have: names, places inside a container, text with and without secrets."""

import hashlib
import hmac
import ipaddress
import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

ENGINE: Final = re.compile(
    r"unix:///\S+|npipe:////?\S+|tcp://[^/@\s]+:[0-9]{1,5}|ssh://([^/@:\s]+@)?[^/@:\s]+(:[0-9]{1,5})?(/\S+)?",
)
REGISTRY: Final = re.compile(r"(https?://)?[A-Za-z0-9.-]+(:[0-9]{1,5})?")
OWN_LABELS: Final = "floto."
"""How the labels begin by which an agent knows again what it made."""

IMAGE_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""What may follow the colon of an image's name (distribution specification 1.1, Pulling manifests)."""

MOST_OWNER: Final = 2**32 - 2
"""The highest number of a user or group: the one above means "leave as it is" to Linux."""

_HOST_PATH = re.compile(r"/|[A-Za-z]:[/\\]|\\\\")
_DEVICE = re.compile(r"/[^:]+(:(/[^:]+)?(:[rwm]{1,3})?)?")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
_SYSCTL = re.compile(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+")
_USER = re.compile(r"[^\s:-][^\s:]*(:[^\s:-][^\s:]*)?")
_VARIABLE = re.compile(r"[^=\x00-\x20\x7f]+")
_MOST_TAG = 255 + 1 + 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(rf"{_REPOSITORY.pattern}(/{_REPOSITORY.pattern})*(:{IMAGE_TAG.pattern})?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")


class Sealed:
    """Text with a secret in it: shown as a fingerprint only, revealed where a target needs it."""

    __slots__ = ("_text", "fingerprint")

    def __init__(self, text: str, key: bytes) -> None:
        """`key` belongs to the site alone, so that a fingerprint in a label cannot be guessed from a word list."""
        self._text = text
        self.fingerprint = "hmac-sha256:" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def reveal(self) -> str:
        """The text itself: never to be printed, logged or stored."""
        return self._text

    def __repr__(self) -> str:
        return f"Sealed({self.fingerprint[:20]}...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.fingerprint == self.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("a name has 2 to 64 letters, digits, '_', '.' and '-', and begins with a letter or digit")
    return text


def _repository(text: str) -> str:
    if not _REPOSITORY.fullmatch(text.lower()):
        raise ValueError("images are named after it, so each '.', '_' and '-' in it stands between letters or digits")
    return text


def _parameter_name(text: str) -> str:
    if not _PARAMETER_NAME.fullmatch(text):
        raise ValueError("a parameter's name has up to 64 of a-z, 0-9 and '_', and begins with a letter")
    return text


def _file_name(name: str) -> str:
    if not name.isprintable() or not 1 <= len(name) <= 255 or name.startswith("/") or ".." in re.split(r"[/\\]", name):
        raise ValueError("a file's name is a relative path without '..' and control characters")
    return name


def _tag(text: str) -> str:
    if len(text) > _MOST_TAG or not _TAG.fullmatch(text):
        raise ValueError("must be an image's name as engines take it, such as shop/web:1.0")
    return text


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise ValueError("a version has up to 64 letters, digits, '.', '_', '+' and '-'")
    return text


def _text(value: object) -> object:
    # A late number or truth value may stand where text is wanted: it reads as in a configuration file.
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str() if "\0" in value:
            raise ValueError("text cannot hold a NUL character")
        case str() | Sealed():
            return value
    raise ValueError("must be text")


def _open_text(value: object) -> object:
    if isinstance(value, Sealed):
        raise ValueError("a secret cannot stand here, where everybody can read it: give it as env or in a file")
    return _text(value)


def _words(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        raise ValueError("must have at least one word")
    return words


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise ValueError("must be an absolute path without '..'")
    return path


def plain_path(path: str) -> str:
    """An absolute path without what says nothing in it, such as a slash at its end."""
    return "/" + "/".join(step for step in path.split("/") if step not in ("", "."))


def _mount_point(path: str) -> str:
    if plain_path(path) == "/":
        raise ValueError("nothing can lie at the root itself: name a path below it")
    return path


def _on_host(path: str) -> str:
    if not _HOST_PATH.match(path) or ".." in re.split(r"[/\\]", path):
        raise ValueError("must be an absolute path of the host without '..'")
    return path


def _hostname(text: str) -> str:
    if not _HOSTNAME.fullmatch(text):
        raise ValueError("a host name has up to 63 letters, digits, '-' and '.'")
    return text


def _device(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise ValueError("must be a device of the host such as /dev/ttyS0 or /dev/sda:/dev/xvda:r")
    return text


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise ValueError("must be a user's name or number, alone or with a group's, such as app:app")
    return text


def _sysctl(name: str) -> str:
    if not _SYSCTL.fullmatch(name):
        raise ValueError("must be a kernel setting such as net.core.somaxconn")
    return name


def _label(name: str) -> str:
    if not name:
        raise ValueError("a label has a name")
    if name.startswith(OWN_LABELS):
        raise ValueError(f"labels that begin with {OWN_LABELS!r} are the agent's own")
    return name


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("the name of a variable has no '=', no blanks and no control characters")
    return name


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None
    return text


def _further_address(text: str) -> str:
    if text != "host-gateway":
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError("must be an IPv4 or IPv6 address, or host-gateway") from None
    return text


def _interface(text: str) -> str:
    try:
        ipaddress.ip_interface(text if "/" in text else "")
    except ValueError:
        raise ValueError("must be an address with its prefix length, such as 192.0.2.10/24") from None
    return text


def _subnet(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValueError("must be a network such as 172.30.0.0/24") from None
    return text


def _engine(text: str) -> str:
    if not ENGINE.fullmatch(text):
        raise ValueError(
            "must be unix:///PATH, npipe:////./pipe/NAME, tcp://HOST:PORT or ssh://USER@HOST:PORT, and hold no password"
        )
    return text


def _registry(text: str) -> str:
    if not REGISTRY.fullmatch(text):
        raise ValueError("must be HOST:PORT, or http://HOST:PORT for one without TLS, and hold no path and no password")
    return text


Text = Annotated[str | Sealed, BeforeValidator(_text)]
"""Text that may hold a secret."""

Open = Annotated[str, BeforeValidator(_open_text)]
"""Text that anybody may read; a Sealed one is refused."""

Command = Annotated[tuple[Open, ...], AfterValidator(_words)]
"""A program with its arguments, or arguments alone; no engine can run an empty one."""

Inside = Annotated[Open, AfterValidator(_absolute)]
"""A path inside a container."""

MountPoint = Annotated[Inside, AfterValidator(_mount_point)]
"""Where something lies inside a container or a machine."""

OnHost = Annotated[Open, AfterValidator(_on_host)]
"""A path of a host, POSIX or Windows."""

Hostname = Annotated[Open, AfterValidator(_hostname)]
Device = Annotated[Open, AfterValidator(_device)]
User = Annotated[Open, AfterValidator(_user)]
SysctlName = Annotated[str, AfterValidator(_sysctl)]
LabelName = Annotated[str, AfterValidator(_label)]
VariableName = Annotated[str, AfterValidator(_variable)]

Address = Annotated[Open, AfterValidator(_address)]
"""An IPv4 or IPv6 address."""

FurtherAddress = Annotated[Open, AfterValidator(_further_address)]
"""An address for `/etc/hosts`; `host-gateway` is that of the host itself, which its engine knows."""

Subnet = Annotated[Open, AfterValidator(_subnet)]
"""A network as address/length, with no host bits set."""

Interface = Annotated[Open, AfterValidator(_interface)]
"""An address with the length of its network's prefix."""

Engine = Annotated[str, AfterValidator(_engine)]
"""The address of a docker engine."""

Registry = Annotated[str, AfterValidator(_registry)]
"""The address of an image registry; TLS unless `http://` stands before it."""

PortNumber = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=0)]

Positive = Annotated[int, Field(ge=1)]
"""A time, a size or a number of which there is at least one: engines take 0 for "not given"."""

Mode = Annotated[int, Field(ge=0, le=0o7777)]

Owner = Annotated[int, Field(ge=0, le=MOST_OWNER)]
"""The number of a user or of a group."""

Name = Annotated[str, AfterValidator(_name)]
"""What docker takes as a name, and what a terminal and a file system bear (THREATS 20, 36)."""

Repository = Annotated[Name, AfterValidator(_repository)]
"""A name of which, in lower case, that of an image can be made."""

FileName = Annotated[str, AfterValidator(_file_name)]
"""How a release calls a file or an artifact: it is shown to people, and never opened by this name."""

Tag = Annotated[str, AfterValidator(_tag)]
"""An image's name on a site, such as `shop/web:1.0`."""

ParameterName = Annotated[str, AfterValidator(_parameter_name)]
Version = Annotated[str, AfterValidator(_version)]
