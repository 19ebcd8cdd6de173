"""How a service of ours is told to a swarm: pure functions from our values to the API's JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.labels import Labels
from agent.targets.docker.creating import NANOSECONDS, healthcheck_body, mount_body, plain
from bundle_format.release.fittings import RenderedFile
from bundle_format.release.service import Rolling, Service

ASIDE = "floto.aside"
"""Label of a service that a transaction has stopped to remove it: the transaction."""

_NOWHERE = "node.id == floto-nowhere"


def service_body(
    service: Service,
    labels: Labels,
    image: str,
    networks: Sequence[str],
    files: Sequence[tuple[RenderedFile, str, str]],
) -> dict[str, Any]:
    """The body of POST /services/create; `networks` are ids, `files` come with name and id of config or secret."""
    return {
        "Name": service.name,
        "Labels": {**service.labels, **labels.to_mapping()},
        "TaskTemplate": {
            "ContainerSpec": _container(service, image, files),
            "Resources": {
                "Limits": _resources(service.cpu_millis, service.memory),
                "Reservations": _resources(service.reserve_cpu_millis, service.reserve_memory),
            },
            "RestartPolicy": {
                "Condition": service.restart.condition,
                "Delay": service.restart.delay * NANOSECONDS,
                "MaxAttempts": service.restart.attempts or 0,
                "Window": service.restart.window * NANOSECONDS,
            },
            "Placement": {
                "Constraints": list(service.placement.constraints),
                "Preferences": [{"Spread": {"SpreadDescriptor": label}} for label in service.placement.spread],
                "MaxReplicas": service.placement.max_per_node or 0,
            },
            "Networks": [{"Target": network} for network in networks],
            "LogDriver": {
                "Name": service.log.driver,
                "Options": {"max-size": str(service.log.max_size), "max-file": str(service.log.max_files)},
            },
            "ForceUpdate": 0,
        },
        "Mode": {"Global": {}} if service.mode == "global" else {"Replicated": {"Replicas": service.replicas}},
        "UpdateConfig": _rollout(service.update),
        "RollbackConfig": {**_rollout(service.update), "Delay": 0, "FailureAction": "pause"},
        "EndpointSpec": {"Mode": service.endpoint, "Ports": _ports(service)},
    }


def stopped_body(spec: Mapping[str, Any], transaction: str) -> dict[str, Any]:
    """What a service says that has no containers and no ports any more, but can be put back."""
    task = dict(spec["TaskTemplate"])
    if "Replicated" in spec["Mode"]:
        mode: Mapping[str, Any] = {"Replicated": {"Replicas": 0}}
    else:
        mode = spec["Mode"]
        task["Placement"] = {**(task.get("Placement") or {}), "Constraints": [_NOWHERE]}
    endpoint = {**(spec.get("EndpointSpec") or {}), "Ports": []}
    labels = {**spec["Labels"], ASIDE: transaction}
    return {**spec, "Labels": labels, "TaskTemplate": task, "Mode": mode, "EndpointSpec": endpoint}


def _container(service: Service, image: str, files: Sequence[tuple[RenderedFile, str, str]]) -> dict[str, Any]:
    wanted = {
        "Image": image,
        "Command": None if service.entrypoint is None else list(service.entrypoint),
        "Args": None if service.command is None else list(service.command),
        "Env": [f"{name}={plain(text)}" for name, text in service.env.items()],
        "User": service.user,
        "Dir": service.workdir,
        "Hostname": service.hostname,
        "Labels": dict(service.labels),
        "Mounts": [mount_body(mount, ()) for mount in service.mounts],
        "StopSignal": service.stop_signal,
        "StopGracePeriod": service.stop_grace * NANOSECONDS,
        "HealthCheck": healthcheck_body(service.healthcheck),
        "Configs": [_file(file, name, key, "Config") for file, name, key in files if not file.sealed],
        "Secrets": [_file(file, name, key, "Secret") for file, name, key in files if file.sealed],
        "CapabilityAdd": list(service.cap_add),
        "CapabilityDrop": list(service.cap_drop),
        "ReadOnly": service.read_only,
        "Init": service.init,
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _file(file: RenderedFile, name: str, key: str, kind: str) -> dict[str, Any]:
    place = {"Name": file.path, "UID": str(file.uid), "GID": str(file.gid), "Mode": file.mode}
    return {"File": place, f"{kind}ID": key, f"{kind}Name": name}


def _resources(cpu_millis: int | None, memory: int | None) -> dict[str, int]:
    return {"NanoCPUs": (cpu_millis or 0) * 1_000_000, "MemoryBytes": memory or 0}


def _rollout(update: Rolling) -> dict[str, Any]:
    return {
        "Parallelism": update.parallelism,
        "Delay": update.delay * NANOSECONDS,
        "FailureAction": update.failure_action,
        "Monitor": update.monitor * NANOSECONDS,
        "MaxFailureRatio": update.max_failures / 100,
        "Order": update.order,
    }


def _ports(service: Service) -> list[dict[str, Any]]:
    return [
        {
            "Protocol": port.protocol,
            "TargetPort": port.container,
            "PublishedPort": port.port,
            "PublishMode": port.mode,
        }
        for port in service.ports
    ]
