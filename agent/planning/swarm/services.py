"""What must be done to services so that they become what a deployment says, and why."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from agent.labels import labels_of, registry_of
from agent.planning.order import Entry
from agent.planning.reasons import Spec, changes
from agent.planning.view import View, spec_told
from agent.swarm.actions import CreateService, DraftService, PushImages, RemoveService, UpdateService
from agent.swarm.state import ServiceState, port_text
from bundle_format.release.fields import Sealed
from bundle_format.release.model import Image
from bundle_format.release.service import Service, image_reference

PUSH_RATE = 50 << 20
"""Bytes a second that a registry takes in, about."""

START_SECONDS = 3
"""What a container of a service takes until it runs, about, its health not counted."""


def service_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """The steps for the services that are asked of a host, without what they need."""
    for service in view.services(host):
        found = view.found_service(service)
        if found is None:
            if view.swarm(host).service(service.name) is None:
                yield from _with_draft(service, Entry(_created(service), ("missing",), seconds=_seconds(service)))
        elif why := tuple(_differences(view, service, found)):
            stands = service.replicas == 1 and service.update.order == "stop-first" and service.mode == "replicated"
            downtime = START_SECONDS if stands else 0
            action = _updated(view, service, found)
            yield from _with_draft(service, Entry(action, why, seconds=_seconds(service), downtime=downtime))


def service_removals(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """Services of ours that the release does not have any more."""
    for found in view.our_services(host):
        assert found.labels is not None
        wanted = view.deployment.services.get(found.name)
        kept = wanted is not None and view.answers(wanted.host) and view.found_service(wanted) is not None
        if not kept and view.chosen(found.name, found.labels.host):
            action = RemoveService(host=host, service=found.name, digest=found.labels.digest, well=found.well)
            yield f"remove/{host}/service/{found.name}", Entry(action, ("not in the release",), seconds=START_SECONDS)


def push_entries(view: View, entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """One push for each host whose registry lacks images of its services."""
    for host in view.hosts:
        images = {service.image: view.deployment.images[service.image] for service in view.services(host)}
        lacking = view.state.lacking.get(host, frozenset())
        late = is_late(view, host, entries)
        if isinstance(lacking, str):
            missing = images if late else {}
        else:
            missing = {name: image for name, image in images.items() if image.manifest in lacking}
        if missing:
            size = _size_of(view, missing.values())
            action = PushImages(host=host, images=tuple(missing))
            registry = registry_of(view.deployment, host)
            why = (f"not in the registry {registry}: " + ", ".join(image.tag for image in missing.values()),)
            yield f"push/{host}", Entry(action, why, bytes=size, seconds=1 + size // PUSH_RATE, late=late)


def is_late(view: View, host: str, entries: Mapping[str, Entry]) -> bool:
    """Whether the registry of a host's swarm is only made, or started, by this plan."""
    return any(f"switch/{service.registry}" in entries for service in view.services(host) if service.registry)


def service_needs(view: View, entries: Mapping[str, Entry], service: Service) -> Iterator[str]:
    """What has to be done before a service is made or changed, beside what it waits for."""
    yield f"push/{service.host}"
    ports = {port_text(port) for port in service.ports}
    for key, entry in entries.items():
        match entry.action:
            case UpdateService(host=host, service=name) | RemoveService(host=host, service=name):
                found = view.swarm(host).service(name)
                if name != service.name and found and ports & set(found.settings.ports):
                    yield key


def service_drift(wanted: Service, reference: str, found: ServiceState) -> Iterator[str]:
    """What somebody changed by hand on a service that was made from the right spec."""
    settings = found.settings
    env = {key: text.reveal() if isinstance(text, Sealed) else text for key, text in wanted.env.items()}
    asked = {
        "image": (reference, settings.image),
        "replicas": (wanted.replicas if wanted.mode == "replicated" else None, settings.replicas),
        "command": (wanted.command or (), settings.command),
        "entrypoint": (wanted.entrypoint or (), settings.entrypoint),
        "placement": (_bare(wanted.placement.constraints), _bare(settings.constraints)),
        "ports": (tuple(sorted(map(port_text, wanted.ports))), settings.ports),
        "files": (len(wanted.files), len(settings.files)),
        "memory": (wanted.memory or 0, settings.memory),
        "cpus": (wanted.cpu_millis or 0, settings.cpu_millis),
    }
    for name in sorted(env.keys() | settings.env.keys()):
        if env.get(name) != settings.env.get(name):
            yield f"drift: env {name} edited by hand"
    for option, (wish, reported) in asked.items():
        if wish != reported:
            yield f"drift: {option} edited by hand"


def _differences(view: View, service: Service, found: ServiceState) -> Iterator[str]:
    assert found.labels is not None
    if {service.name, service.host} & view.wishes.anew:
        yield "asked for"
    wanted = labels_of(view.deployment, service, service.host)
    if found.aside:
        yield "stopped by an earlier apply"
    elif found.labels.digest != wanted.digest:
        yield from list(_changes(spec_told(found.labels), json.loads(wanted.spec))) or ["made by another agent"]
    else:
        image = view.deployment.images[service.image]
        yield from service_drift(service, image_reference(registry_of(view.deployment, service.host), image), found)
        if found.update in ("paused", "rollback_paused"):
            yield "its last change is stuck"


def _changes(old: Spec, new: Spec) -> Iterator[str]:
    before, after = old.get("replicas", 1), new.get("replicas", 1)
    if before != after:
        yield f"{before} replicas become {after}"
    yield from changes({**old, "replicas": after}, {**new, "replicas": after}, {})


def _with_draft(service: Service, entry: Entry) -> Iterator[tuple[str, Entry]]:
    yield f"switch/{service.name}", entry
    draft = DraftService(host=service.host, service=service.name)
    yield f"draft/{service.name}", Entry(draft, ("made ready beside",), seconds=1)


def _created(service: Service) -> CreateService:
    return CreateService(host=service.host, service=service.name, deadline=service.health_deadline)


def _updated(view: View, service: Service, found: ServiceState) -> UpdateService:
    assert found.labels is not None
    return UpdateService(
        host=service.host,
        service=service.name,
        digest=found.labels.digest,
        well=found.well,
        anew=bool({service.name, service.host} & view.wishes.anew),
        deadline=service.health_deadline,
    )


def _seconds(service: Service) -> int:
    """How long it takes, about, until all containers of a service are new."""
    lots = -(-service.replicas // (service.update.parallelism or service.replicas or 1))
    check = service.healthcheck.interval if service.healthcheck else 0
    return max(lots, 1) * (START_SECONDS + check + service.update.monitor + service.update.delay)


def _bare(constraints: Iterable[str]) -> tuple[str, ...]:
    return tuple(re.sub(r"\s+", "", constraint) for constraint in constraints)


def _size_of(view: View, images: Collection[Image]) -> int:
    """The bytes that travel at most; the whole image where sizes are not known."""
    layers = {layer for image in images for layer in image.layers}
    if all(layer in view.sizes for layer in layers):
        return sum(view.sizes[layer] for layer in layers)
    return sum(image.size for image in images)
