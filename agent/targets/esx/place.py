"""Where on a hypervisor machines are made: what the site's file names, or the only one there is; never a guess."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim

from agent.targets.esx.session import Session
from bundle_format.errors import TargetError

READ_ONLY = "its API only reads, as that of a free ESXi licence does"


@dataclass(frozen=True, slots=True)
class Place:
    """Managed objects by what they are for; `faults` say what could not be found, and then the rest may be None."""

    datacenter: Any = None
    host: Any = None
    pool: Any = None
    folder: Any = None
    datastore: Any = None
    disk_datastore: Any = None
    networks: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


class Finder:
    """Looks for what the site's file names, and notes every fault with the candidates that there are."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.faults: list[str] = []

    def place(self) -> Place:
        """The place; whatever is wrong with it is told in its `faults`."""
        access = self._session.access
        datacenter = self._one("datacenter", access.datacenter, self._of(vim.Datacenter))
        if datacenter is None:
            return Place(faults=tuple(self.faults))
        host = self._one("host", access.host, self._of(vim.HostSystem, datacenter.hostFolder))
        folder = self._folder(datacenter.vmFolder, access.folder)
        if host is None:
            return Place(datacenter, folder=folder, faults=tuple(self.faults))
        datastore = self._one("datastore", access.datastore, _usable(host.datastore))
        disks = datastore
        if access.disk_datastore is not None:
            disks = self._one("disk_datastore", access.disk_datastore, _usable(host.datastore))
        pool = self._pool(host, access.pool)
        networks = {role: self._network(host, role, name) for role, name in access.networks.items()}
        self._licence()
        return Place(
            datacenter,
            host,
            pool,
            folder,
            datastore,
            disks,
            {role: network for role, network in networks.items() if network is not None},
            tuple(self.faults),
        )

    def _of(self, kind: type, root: Any = None) -> list[Any]:
        content = self._session.content
        view = content.viewManager.CreateContainerView(root or content.rootFolder, [kind], True)
        try:
            return list(view.view)
        finally:
            view.Destroy()

    def _one(self, key: str, name: str | None, candidates: Iterable[Any]) -> Any:
        named = {one.name: one for one in candidates}
        if name is not None and name in named:
            return named[name]
        if name is None and len(named) == 1:
            return next(iter(named.values()))
        there = ", ".join(sorted(named)) or "none"
        self.faults.append(f"there is no {key} {name!r}; there are: {there}" if name else _unclear(key, there))
        return None

    def _pool(self, host: Any, name: str | None) -> Any:
        root = host.parent.resourcePool
        if name is None:
            return root
        return self._one("pool", name, [root, *self._of(vim.ResourcePool, root)])

    def _folder(self, root: Any, path: str | None) -> Any:
        for name in (path or "").split("/"):
            if name and root is not None:
                root = self._one("folder", name, [one for one in root.childEntity if isinstance(one, vim.Folder)])
        return root

    def _network(self, host: Any, role: str, name: str) -> Any:
        return self._one(f"networks.{role}", name, host.network)

    def _licence(self) -> None:
        """Tell a licence that lets nobody change anything (ESX: the feature of the API that writes)."""
        manager = self._session.content.licenseManager
        if any(licence.editionKey.startswith("esxBasic") for licence in getattr(manager, "licenses", None) or ()):
            self.faults.append(READ_ONLY)


def require(place: Place, name: str) -> Place:
    """TargetError with all the faults of a place."""
    if place.faults:
        raise TargetError(
            f"hypervisor {name}: " + "; ".join(place.faults), "Mend the site's file; nothing was changed."
        )
    return place


def _usable(datastores: Iterable[Any]) -> Iterator[Any]:
    return (one for one in datastores if one.summary.accessible)


def _unclear(key: str, there: str) -> str:
    return f"which {key} is meant? there are: {there}" if there != "none" else f"there is no {key}"
