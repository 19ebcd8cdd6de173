"""What verbs share that act on machines: their hypervisors, opened under enrolled certificates."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from agent.applying.means import Machinery
from agent.cli.site import Site, connected
from agent.intent import Keeper
from agent.labels import Adopted, Owner
from agent.machines.known import remember_disk
from agent.machines.materials import Workshop
from agent.observe import at_once
from agent.targets.engine import Engine
from agent.targets.hypervisor import Hypervisor
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Host
from bundle_format.site.hypervisors import AnyAccess, HypervisorAccess, LocalAccess
from bundle_format.site.secret import read_secret
from bundle_format.trust.private import make_private_folder


@contextmanager
def hypervisors_of(
    accesses: Mapping[str, AnyAccess], owner: Owner, site: Site, keeper: Keeper
) -> Iterator[tuple[dict[str, Hypervisor], dict[str, str]]]:
    """The hypervisors, and for those that cannot be used what was wrong."""
    # Who has to type a password is asked for one after the other.
    passwords = {name: _password(name, access, keeper) for name, access in accesses.items()}
    opened: dict[str, Hypervisor] = {}
    silent = {name: read.message for name, read in passwords.items() if isinstance(read, TargetError)}
    asked = [(name, access, read) for name, access in accesses.items() if isinstance(read := passwords[name], str)]

    def reach(wanted: tuple[str, AnyAccess, str]) -> Hypervisor | str:
        try:
            return _opened(*wanted, owner, site)
        except TargetError as error:
            return error.message

    with ExitStack() as closing:
        for (name, _, _), hypervisor in at_once(reach, asked):
            if isinstance(hypervisor, str):
                silent[name] = hypervisor
            else:
                closing.callback(hypervisor.close)
                opened[name] = hypervisor
        yield opened, silent


def machinery_of(
    hypervisors: Mapping[str, Hypervisor],
    hosts: Mapping[str, Host],
    owner: Owner,
    site: Site,
    adopted: Collection[Adopted] = (),
) -> Machinery:
    """What steps for machines are done with; `adopted` is known to every engine that comes up."""

    def connect(host: str) -> Engine:
        engine = connected(hosts[host], owner)
        if isinstance(engine, str):
            raise TargetError(engine)
        engine.adopt(adopted)
        return engine

    return Machinery(
        hypervisors=hypervisors,
        connect=connect,
        materials=Workshop(site.folder.machines, time.time).materials,
        remember_disk=lambda disk: remember_disk(site.folder, disk),
    )


def used(accesses: Mapping[str, AnyAccess], hosts: Iterable[Host]) -> dict[str, AnyAccess]:
    """The hypervisors that these hosts' machines are on."""
    names = {host.machine.hypervisor for host in hosts if host.machine}
    return {name: access for name, access in accesses.items() if name in names}


def certificate_path(site: Site, name: str) -> Path:
    """Where the enrolled certificate of a hypervisor is kept."""
    return site.folder.hypervisors / f"{name}.pem"


def _password(name: str, access: AnyAccess, keeper: Keeper) -> str | TargetError:
    if isinstance(access, LocalAccess):
        return ""
    try:
        return read_secret(f"password of hypervisor {name}", access.password, keeper.environment, keeper.ask)
    except ValueError as error:
        return TargetError(f"hypervisor {name}: its password: {error}")


def _opened(name: str, access: AnyAccess, password: str, owner: Owner, site: Site) -> Hypervisor:
    if isinstance(access, LocalAccess):
        from agent.targets.qemu.hypervisor import QemuHypervisor

        return QemuHypervisor(name, access, owner)
    return _connected(name, access, password, owner, site)


def _connected(name: str, access: HypervisorAccess, password: str, owner: Owner, site: Site) -> Hypervisor:
    from agent.targets.esx.hypervisor import EsxHypervisor
    from agent.targets.esx.session import Session

    path = certificate_path(site, name)
    if not path.exists():
        raise TargetError(
            f"hypervisor {name}: its certificate was not enrolled yet: floto-agent trust hypervisor {name}",
        )
    scratch = site.folder.root / "uploads"
    make_private_folder(scratch)
    session = Session(name, access, password, path.read_text(encoding="ascii"))
    try:
        return EsxHypervisor(session, owner, scratch)
    except BaseException:
        session.close()
        raise
