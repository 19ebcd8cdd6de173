"""What a site makes once for its machines: how the agent and they know each other. It never leaves the state folder."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bundle_format.release.deployment import Access, Host
from bundle_format.trust.authority import Issued, issue, new_authority, new_ssh_key
from bundle_format.trust.private import make_private_folder, read_private, replace_private

ENGINE_PORT = 2376


@dataclass(frozen=True, slots=True)
class Materials:
    """What one machine gets: the authority that it believes, its engine's own certificate, the key that may log in."""

    authority: bytes
    engine: Issued = field(repr=False)
    ssh: str


class Workshop:
    """Makes materials in a folder, each once, and knows how the engines that got them are reached."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._clock = clock

    def access(self, host: Host) -> Access | None:
        """How the agent reaches the engine of a machine with a fixed address; None if it has none."""
        address = address_of(host)
        if address is None:
            return None
        self._issued("client")
        shown = f"[{address}]" if ":" in address else address
        return Access(
            engine=f"tcp://{shown}:{ENGINE_PORT}",
            tls_ca=str(self._folder / "ca.pem"),
            tls_cert=str(self._folder / "client.pem"),
            tls_key=str(self._folder / "client-key.pem"),
        )

    def materials(self, host: Host) -> Materials:
        """What the machine of a host gets."""
        address = address_of(host)
        engine = self._issued(f"engine-{host.name}-{address or 'dhcp'}", *filter(None, (address, host.name)))
        return Materials(self._authority().certificate, engine, self._ssh_key())

    def _authority(self) -> Issued:
        return self._kept("ca", lambda: new_authority("floto site", int(self._clock())))

    def _issued(self, name: str, *addresses: str) -> Issued:
        return self._kept(name, lambda: issue(self._authority(), name, int(self._clock()), addresses))

    def _kept(self, name: str, make: Callable[[], Issued]) -> Issued:
        # The key first: without its certificate it is made anew, and nothing was given away yet.
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}-key.pem"
        if not certificate.exists():
            make_private_folder(self._folder)
            made = make()
            replace_private(key, made.key)
            replace_private(certificate, made.certificate)
        return Issued(read_private(certificate), read_private(key))

    def _ssh_key(self) -> str:
        private, public = self._folder / "ssh_key", self._folder / "ssh_key.pub"
        if not public.exists():
            make_private_folder(self._folder)
            secret, line = new_ssh_key()
            replace_private(private, secret)
            replace_private(public, f"{line} floto-agent\n".encode("ascii"))
        return read_private(public).decode("ascii").strip()


def address_of(host: Host) -> str | None:
    """The fixed address of the first card of a host's machine: the agent's way to it."""
    if host.machine is None or not host.machine.nics or host.machine.nics[0].address is None:
        return None
    return host.machine.nics[0].address.partition("/")[0]
