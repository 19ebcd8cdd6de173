"""Where on a hypervisor machines are made: what the site's file names, or the only one there is; never a guess."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from pyVmomi import vim

from agent.targets.esx.session import Session
from agent.targets.esx.views import in_view
from bundle_format.errors import TargetError

READ_ONLY = "its API only reads, as that of a free ESXi licence does"


@dataclass(frozen=True, slots=True)
class Place:
    """Managed objects by what they are for; `faults` say what could not be found, and then the rest may be None.

    `host` is None where a cluster with DRS chooses it; `pool` always tells where machines get their share from.
    """

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
        folder = self._folder(datacenter.vmFolder, access.folder)
        compute, hosts = self._compute(datacenter)
        if not hosts:
            return Place(datacenter, folder=folder, faults=tuple(self.faults))
        datastores = [one for one in _seen_by_all(hosts, "datastore") if one.summary.accessible]
        datastore = self._one("datastore", access.datastore, datastores)
        disks = datastore
        if access.disk_datastore is not None:
            disks = self._one("disk_datastore", access.disk_datastore, datastores)
        if disks is not None and disks.capability.topLevelDirectoryCreateSupported is False:
            self.faults.append(f"datastore {disks.name!r} (vSAN or vVols) takes no folder for data disks: name another")
        pool = self._pool(compute.resourcePool, access.pool)
        networks = [one for one in _seen_by_all(hosts, "network") if not _is_uplink(one)]
        played = {role: self._one(f"networks.{role}", name, networks) for role, name in access.networks.items()}
        self._licence()
        return Place(
            datacenter,
            hosts[0] if len(hosts) == 1 else None,
            pool,
            folder,
            datastore,
            disks,
            {role: network for role, network in played.items() if network is not None},
            tuple(self.faults),
        )

    def _compute(self, datacenter: Any) -> tuple[Any, list[Any]]:
        """What has the processors, and the hosts there on which machines may come to lie: one, or all of a cluster."""
        access = self._session.access
        hosts = self._of(vim.HostSystem, datacenter.hostFolder)
        clusters = self._of(vim.ClusterComputeResource, datacenter.hostFolder)
        alone = len(clusters) == 1 and len(clusters[0].host) == len(hosts)
        if access.cluster is not None or (access.host is None and alone):
            cluster = self._one("cluster", access.cluster, clusters)
            if cluster is None:
                return None, []
            hosts = list(cluster.host)
            if access.host is None and cluster.configurationEx.drsConfig.enabled:
                return cluster, hosts
        elif access.host is None and clusters and len(hosts) > 1:
            self.faults.append(
                f"which cluster or host is meant? there are the clusters {_listed(clusters)} and the hosts "
                f"{_listed(hosts)}"
            )
            return None, []
        host = self._one("host", access.host, hosts)
        return (None, []) if host is None else (host.parent, [host])

    def _of(self, kind: type, root: Any = None) -> list[Any]:
        content = self._session.content
        return in_view(content, root or content.rootFolder, kind, lambda view: list(view.view))

    def _one(self, key: str, name: str | None, candidates: Iterable[Any]) -> Any:
        called = {one: _name(one) for one in candidates}
        meant = [one for one in called if name in (None, called[one])]
        if name is not None and len(meant) != 1 and (meant or "/" in name):
            called = {one: _path(one) for one in meant or called}
            meant = [one for one in called if f"/{called[one]}".endswith(f"/{name}")]
        if len(meant) == 1:
            return meant[0]
        there = ", ".join(sorted(called.values())) or "none"
        if name is None:
            self.faults.append(f"which {key} is meant? there are: {there}" if called else f"there is no {key}")
        else:
            what = "more than one" if meant else "no"
            self.faults.append(f"there is {what} {key} {name!r}; there are: {there}")
        return None

    def _pool(self, root: Any, name: str | None) -> Any:
        if name is None:
            return root
        pools = [one for one in self._of(vim.ResourcePool, root) if not isinstance(one, vim.VirtualApp)]
        return self._one("pool", name, [root, *pools])

    def _folder(self, root: Any, path: str | None) -> Any:
        for name in (path or "").split("/"):
            if name and root is not None:
                root = self._one("folder", name, [one for one in root.childEntity if isinstance(one, vim.Folder)])
        return root

    def _licence(self) -> None:
        """Tell a licence that lets nobody change anything (ESX: the feature of the API that writes)."""
        if self._session.content.about.apiType != "HostAgent":
            return  # a vCenter is licensed otherwise
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


def _seen_by_all(hosts: list[Any], kind: str) -> list[Any]:
    """The datastores or networks that each of the hosts has: a machine may move to any of them."""
    seen = [getattr(host, kind) for host in hosts]
    return [one for one in seen[0] if all(one in others for others in seen[1:])]


def _is_uplink(network: Any) -> bool:
    """Whether it is a distributed switch's way out, which no machine is hung on."""
    return any(tag.key == "SYSTEM/DVS.UPLINKPG" for tag in network.tag)


def _name(entity: Any) -> str:
    """A name as people see it: in the API `/` is written `%2f`."""
    return unquote(entity.name)


def _path(entity: Any) -> str:
    """The names of all that it lies in, and its own."""
    names = []
    while entity is not None:
        names.append(_name(entity))
        entity = entity.parent
    return "/".join(reversed(names))


def _listed(entities: Iterable[Any]) -> str:
    return ", ".join(sorted(_name(entity) for entity in entities))
