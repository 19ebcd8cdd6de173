"""What a manager's JSON means: pure functions from its answers to our values of a swarm."""

from collections.abc import Iterable, Mapping
from typing import Any

from agent.labels import PREFIX, labels_from
from agent.swarm.state import Node, ServiceSettings, ServiceState, ServiceTask
from agent.targets.docker.creating import NANOSECONDS
from agent.targets.docker.swarm.bodies import ASIDE

Json = Mapping[str, Any]


def node_from(node: Json) -> Node:
    """A node from its place in the list of all."""
    spec, description = node["Spec"], node["Description"]
    traits = {
        "node.id": node["ID"],
        "node.hostname": description.get("Hostname", ""),
        "node.role": spec["Role"],
        "node.platform.os": description.get("Platform", {}).get("OS", ""),
        "node.platform.arch": description.get("Platform", {}).get("Architecture", ""),
        **{f"node.labels.{key}": text for key, text in (spec.get("Labels") or {}).items()},
        **{f"engine.labels.{key}": text for key, text in (description.get("Engine", {}).get("Labels") or {}).items()},
    }
    return Node(
        id=node["ID"],
        name=traits["node.hostname"],
        ready=node["Status"]["State"] == "ready",
        active=spec["Availability"] == "active",
        manager=spec["Role"] == "manager",
        traits=traits,
    )


def service_from(service: Json, tasks: Iterable[Json], nodes: Mapping[str, str]) -> ServiceState:
    """A service from its own JSON and its tasks'; `nodes` are names by id."""
    spec, update = service["Spec"], service.get("UpdateStatus") or {}
    before = (service.get("PreviousSpec") or {}).get("Labels") or {}
    labels = spec.get("Labels") or {}
    template = _essence(spec["TaskTemplate"])
    return ServiceState(
        name=spec["Name"],
        labels=labels_from(labels),
        settings=_settings(spec),
        update=update.get("State", ""),
        message=update.get("Message", ""),
        tasks=tuple(_task(task, template, nodes) for task in tasks),
        before=before.get(f"{PREFIX}digest", ""),
        aside=labels.get(ASIDE, ""),
        monitor=(spec.get("UpdateConfig") or {}).get("Monitor", 5 * NANOSECONDS) // NANOSECONDS,
    )


def _task(task: Json, template: Json, nodes: Mapping[str, str]) -> ServiceTask:
    status = task["Status"]
    return ServiceTask(
        node=nodes.get(task.get("NodeID", ""), "no node yet"),
        state=status["State"],
        wanted=task["DesiredState"] == "running",
        current=_essence(task["Spec"]) == template,
        error=status.get("Err", ""),
    )


def _essence(template: Json) -> Any:
    """What a task is made from: a swarm leaves one alone if just its placement changed.

    A service's own JSON has empty members and a runtime that its tasks' lacks.
    """
    return _without_empty({key: value for key, value in template.items() if key not in ("Placement", "Runtime")})


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {key: _without_empty(member) for key, member in value.items()}
        return {key: member for key, member in inner.items() if member not in ({}, [], None)}
    return value


def _settings(spec: Json) -> ServiceSettings:
    template = spec["TaskTemplate"]
    container = template["ContainerSpec"]
    limits = (template.get("Resources") or {}).get("Limits") or {}
    files = [*(container.get("Configs") or ()), *(container.get("Secrets") or ())]
    return ServiceSettings(
        image=container["Image"],
        replicas=(spec["Mode"].get("Replicated") or {}).get("Replicas") if "Global" not in spec["Mode"] else None,
        command=tuple(container.get("Args") or ()),
        entrypoint=tuple(container.get("Command") or ()),
        env=dict(line.partition("=")[::2] for line in container.get("Env") or ()),
        constraints=tuple((template.get("Placement") or {}).get("Constraints") or ()),
        ports=tuple(sorted(_port_text(port) for port in (spec.get("EndpointSpec") or {}).get("Ports") or ())),
        files=tuple(sorted(file.get("ConfigName") or file.get("SecretName") or "" for file in files)),
        memory=limits.get("MemoryBytes", 0),
        cpu_millis=limits.get("NanoCPUs", 0) // 1_000_000,
    )


def _port_text(port: Json) -> str:
    outside, inside = port.get("PublishedPort", 0), port["TargetPort"]
    return f"{outside}:{inside}/{port.get('Protocol', 'tcp')} {port.get('PublishMode', 'ingress')}"
