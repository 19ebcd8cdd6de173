"""A docker swarm as a Swarm: every verb looks first, changes only what is ours, and may be repeated."""

import base64
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from agent.labels import Labels, Owner, labels_from
from agent.steps import draft_name
from agent.swarm.state import ServiceState, SwarmState
from agent.targets.docker.connection import Connection, RefusedError, SilentError
from agent.targets.docker.containers import LISTEN_SECONDS, gone, not_ours
from agent.targets.docker.logs import log_lines, next_moment
from agent.targets.docker.swarm.bodies import ASIDE, service_body, stopped_body
from agent.targets.docker.swarm.leading import heard_nodes, led
from agent.targets.docker.swarm.reading import node_from, service_from
from agent.targets.engine import Blobs, LogLine
from agent.targets.registry import Registry
from bundle_format.digest import Digest
from bundle_format.errors import TargetError
from bundle_format.progress import Progress
from bundle_format.release.fittings import RenderedFile
from bundle_format.release.model import Image
from bundle_format.release.service import Service, file_name_of

TRIES = 10
"""How often a change is asked for that the swarm's own work on the service came before."""


class DockerSwarm:
    """The swarm that one host's engine manages, for one owner."""

    def __init__(
        self,
        connection: Connection,
        owner: Owner,
        registry: Registry,
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` counts seconds, from any beginning."""
        self.clock = clock
        self.sleep = sleep
        self._connection = connection
        self._owner = owner
        self._registry = registry

    # What is

    def observe(self) -> SwarmState:
        """All of the swarm, or why it cannot be asked."""
        info = self._connection.get("/info")
        swarm = info.get("Swarm") or {}
        if swarm.get("LocalNodeState") != "active":
            return SwarmState(f"the engine is in no swarm ({swarm.get('LocalNodeState') or 'inactive'})")
        if not swarm.get("ControlAvailable"):
            return SwarmState("the engine is a worker of its swarm, not a manager")
        try:
            return self._observed(info)
        except RefusedError as refused:
            return SwarmState(f"the swarm does not answer: {refused.message}")

    @led
    def _observed(self, info: Any) -> SwarmState:
        nodes = tuple(node_from(node) for node in heard_nodes(self, lambda: self._connection.get("/nodes")))
        tasks = self._connection.get("/tasks")
        services = self._connection.get("/services")
        kept = [*self._connection.get("/configs"), *self._connection.get("/secrets")]
        names = {node.id: node.name for node in nodes}
        return SwarmState(
            fault="",
            nodes=nodes,
            services=tuple(
                service_from(service, [task for task in tasks if task.get("ServiceID") == service["ID"]], names)
                for service in services
            ),
            files={one["Spec"]["Name"]: labels_from(one["Spec"].get("Labels") or {}) for one in kept},
            insecure=frozenset(
                name
                for name, one in ((info.get("RegistryConfig") or {}).get("IndexConfigs") or {}).items()
                if not one.get("Secure", True)
            )
            | frozenset((info.get("RegistryConfig") or {}).get("InsecureRegistryCIDRs") or ()),
        )

    @led
    def service(self, name: str) -> ServiceState | None:
        """A service as it is now."""
        found = self._connection.find(f"/services/{name}")
        if found is None:
            return None
        tasks = self._connection.get("/tasks", filters=json.dumps({"service": [found["ID"]]}))
        nodes = {node["ID"]: node["Description"].get("Hostname", "") for node in self._connection.get("/nodes")}
        return service_from(found, tasks, nodes)

    # Images

    def reference(self, image: Image) -> str:
        """By which name the nodes get an image."""
        return self._registry.reference(image)

    def lacking(self, images: Sequence[Image]) -> frozenset[Digest]:
        """The manifests of `images` that the registry does not have."""
        return self._registry.lacking(images)

    def push(self, images: Sequence[Image], blobs: Blobs, progress: Progress) -> None:
        """Bring images to the registry."""
        self._registry.push(images, blobs, progress)

    # Services

    @led
    def draft(self, service: Service, labels: Labels, image: Image) -> None:
        """Keep in the swarm what a service shall be, and its files."""
        files = [(file, *self._placed(service, file, labels)) for file in service.files]
        networks = [self._network(service, name) for name in service.networks]
        body = service_body(service, labels, self.reference(image), networks, files)
        name = draft_name(service.name)
        self._drop("configs", name)
        self._keep("configs", name, json.dumps(body).encode(), labels)

    @led
    def create(self, name: str) -> None:
        """Make a service of its draft."""
        if self._own_or_none(name) is None:
            self._connection.post("/services/create", self._drafted(name), headers=self._login())

    @led
    def update(self, name: str, *, anew: bool) -> None:
        """Give a service what its draft says."""
        body = self._drafted(name)

        def changed(found: Any) -> Any:
            if _transaction(found["Spec"]) == _transaction(body):
                return None
            count = found["Spec"]["TaskTemplate"].get("ForceUpdate", 0) + int(anew)
            return {**body, "TaskTemplate": {**body["TaskTemplate"], "ForceUpdate": count}}

        self._change(name, changed)

    @led
    def put_back(self, name: str, digest: str) -> None:
        """Give a service back what it had before its last change."""
        found = self._own(name)
        before = labels_from((found.get("PreviousSpec") or {}).get("Labels") or {})
        if before is None or before.digest != digest:
            raise TargetError(
                f"{self._connection.host}: the swarm does not know any more what service {name} was before; it was "
                "left as it is",
                "somebody changed it meanwhile: once this is settled, floto-agent rollback makes it what it was",
            )
        self._change(name, lambda found: found["Spec"], rollback="previous")

    @led
    def set_aside(self, name: str, transaction: str) -> None:
        """Stop all containers of a service and free its ports."""
        if self._own_or_none(name) is not None:
            self._change(
                name,
                lambda found: (
                    None
                    if found["Spec"]["Labels"].get(ASIDE) == transaction
                    else stopped_body(found["Spec"], transaction)
                ),
            )

    @led
    def remove(self, name: str) -> None:
        """Remove a service."""
        found = self._own_or_none(name)
        if found:
            self._connection.delete(f"/services/{found['ID']}")

    @led
    def clear(self, keep: Collection[str], transaction: str | None = None) -> None:
        """Remove drafts, and configs and secrets that are not to be kept."""
        for kind in ("configs", "secrets"):
            for one in self._connection.get(f"/{kind}"):
                labels = labels_from(one["Spec"].get("Labels") or {})
                ours = labels is not None and labels.owner == self._owner
                made = labels is not None and transaction in (None, labels.transaction)
                if ours and made and one["Spec"]["Name"] not in keep:
                    with suppress(RefusedError):  # a service uses it
                        self._connection.delete(f"/{kind}/{one['ID']}")

    def logs(self, name: str, *, follow: bool, since: int | None, tail: int | None) -> Iterator[LogLine]:
        """The lines of all containers of a service."""
        last = ""
        for line in self._lines(name, {"since": since or "", "tail": "all" if tail is None else tail}):
            last = max(last, line.time)
            yield line
        while follow:
            with suppress(SilentError):
                asked: dict[str, str | int | bool] = {"follow": True, "since": next_moment(last) if last else ""}
                for line in self._lines(name, asked, LISTEN_SECONDS):
                    last = max(last, line.time)
                    yield line

    # How

    def _lines(
        self, name: str, asked: Mapping[str, str | int | bool], seconds: float | None = None
    ) -> Iterator[LogLine]:
        query = {"stdout": True, "stderr": True, "timestamps": True, **asked}
        with self._connection.stream("GET", f"/services/{name}/logs", query=query, seconds=seconds) as response:
            yield from log_lines(name, response.iter_content(None))

    def _change(self, name: str, changed: Callable[[Any], Any], **query: str | int | bool) -> None:
        """Give a service the spec that `changed` makes of it, unless that is None."""
        for attempt in range(TRIES):
            found = self._own(name)
            body = changed(found)
            if body is None:
                return
            try:
                self._update(found, body, query)
            except RefusedError as refused:
                # The swarm writes into a service what it does with it, which makes every older version stale.
                if "out of sequence" not in refused.message or attempt == TRIES - 1:
                    raise
            else:
                return

    def _update(self, found: Any, body: Any, query: Mapping[str, str | int | bool]) -> None:
        path, version = f"/services/{found['ID']}/update", {"version": found["Version"]["Index"]}
        with self._connection.stream("POST", path, query={**version, **query}, body=body, headers=self._login()):
            return

    def _placed(self, service: Service, file: RenderedFile, labels: Labels) -> tuple[str, str]:
        """Name and id of the config or secret that holds a file; made if it is missing."""
        kind = "secrets" if file.sealed else "configs"
        name = file_name_of(labels.product, labels.site, service.name, file)
        found = self._connection.find(f"/{kind}/{name}")
        if found is None:
            return name, self._keep(kind, name, file.content, labels)
        self._must_be_ours(f"{kind.removesuffix('s')} {name}", found["Spec"].get("Labels"))
        return name, str(found["ID"])

    def _keep(self, kind: str, name: str, content: bytes, labels: Labels) -> str:
        body = {
            "Name": name,
            "Labels": replace(labels, spec="", digest="").to_mapping(),
            "Data": base64.b64encode(content).decode("ascii"),
        }
        return str(self._connection.post(f"/{kind}/create", body)["ID"])

    def _drop(self, kind: str, name: str) -> None:
        found = self._connection.find(f"/{kind}/{name}")
        if found:
            self._must_be_ours(f"{kind.removesuffix('s')} {name}", found["Spec"].get("Labels"))
            self._connection.delete(f"/{kind}/{found['ID']}")

    def _drafted(self, name: str) -> Any:
        found = self._connection.find(f"/configs/{draft_name(name)}")
        if found is None:
            raise TargetError(
                f"{self._connection.host}: the draft of service {name} has gone; the service was not changed",
                "somebody removed it: take the change back (floto-agent abort) and apply again",
            )
        self._must_be_ours(f"config {draft_name(name)}", found["Spec"].get("Labels"))
        return json.loads(base64.b64decode(found["Spec"]["Data"]))

    def _network(self, service: Service, name: str) -> str:
        found = self._connection.find(f"/networks/{name}")
        if found is None or found.get("Scope") != "swarm":
            raise TargetError(
                f"{self._connection.host}: network {name} of service {service.name} is not in the swarm; nothing was "
                "changed",
                "run the same command again: it makes what is missing",
            )
        return str(found["Id"])

    def _login(self) -> dict[str, str]:
        """What lets nodes get images that are not for everybody (Docker API, X-Registry-Auth)."""
        login = self._registry.login()
        if login is None:
            return {}
        text = {"username": login[0], "password": login[1], "serveraddress": self._registry.name}
        return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(text).encode()).decode("ascii")}

    def _own(self, name: str) -> Any:
        found = self._own_or_none(name)
        if found is None:
            raise gone(self._connection.host, f"service {name}")
        return found

    def _own_or_none(self, name: str) -> Any:
        found = self._connection.find(f"/services/{name}")
        if found:
            self._must_be_ours(f"service {name}", found["Spec"].get("Labels"))
        return found

    def _must_be_ours(self, what: str, labels: dict[str, str] | None) -> None:
        known = labels_from(labels or {})
        if known is None or known.owner != self._owner:
            raise not_ours(self._connection.host, what)


def _transaction(spec: Mapping[str, Any]) -> str:
    labels = labels_from(spec.get("Labels") or {})
    return labels.transaction if labels else ""
