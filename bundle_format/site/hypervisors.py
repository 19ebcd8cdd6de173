"""`[hypervisors.NAME]` of the site's file: how the agent reaches a hypervisor, and where on it machines are made."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from bundle_format.release.value import Value

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
SOURCES = "a secret must be { file = ... }, { env = ... } or { prompt = true }, never written out"


class SecretSource(Value):
    """Where a site keeps a secret; `file` is absolute."""

    file: str | None = None
    env: str | None = None
    prompt: bool = False

    @model_validator(mode="after")
    def _one(self) -> "SecretSource":
        if [bool(self.file), bool(self.env), self.prompt].count(True) != 1:
            raise ValueError(SOURCES)
        return self


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be a host name or address, with :PORT where that is not 443")
    return text


def thumbprint_text(text: str) -> str:
    """A SHA-256 thumbprint in whatever form people write it, as hex digits; ValueError if it is none."""
    digits = text.removeprefix("sha256:").replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError("must be the SHA-256 thumbprint of its certificate: 64 hex digits")
    return digits


class HypervisorAccess(Value):
    """A standalone ESX or a vCenter; what is None must be the only one of its kind there, or a cluster's DRS chooses.

    `networks` says which port group plays each role that the release's network cards name; `disk_datastore` is for data
    disks, `datastore` for all else; `prefix` goes before the names of hosts to make those of machines.
    """

    kind: Literal["esx"] = "esx"
    address: Annotated[str, AfterValidator(_address)]
    user: str
    password: SecretSource
    thumbprint: Annotated[str, AfterValidator(thumbprint_text)] | None = None
    datacenter: str | None = None
    cluster: str | None = None
    host: str | None = None
    pool: str | None = None
    folder: str | None = None
    datastore: str | None = None
    disk_datastore: str | None = None
    networks: dict[str, str] = Field(default_factory=dict)
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,40}$")

    @property
    def host_name(self) -> str:
        """The name or address without a port."""
        return self.address.rpartition(":")[0] if re.search(r":[0-9]{1,5}$", self.address) else self.address

    @property
    def port(self) -> int:
        """Where it listens."""
        found = re.search(r":([0-9]{1,5})$", self.address)
        return int(found[1]) if found else 443


class LocalAccess(Value):
    """This computer itself, by qemu; `folder` is absolute and holds machines and disks, no machine of others.

    `networks` says which bridge of this computer plays each role; `prefix` is as on an ESX.
    """

    kind: Literal["qemu"]
    folder: str
    networks: dict[str, str] = Field(default_factory=dict)
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,40}$")


AnyAccess = HypervisorAccess | LocalAccess
"""Whatever a site's file may name as a hypervisor."""
