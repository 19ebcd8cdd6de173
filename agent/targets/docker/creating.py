"""How a container of ours is told to an engine: pure functions from our values to the API's JSON."""

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from agent.labels import Labels
from agent.steps import Limits
from bundle_format.release.deployment import Container
from bundle_format.release.fields import Sealed
from bundle_format.release.fittings import Attachment, Healthcheck, HostMount, MemoryMount, Mount, VolumeMount

NANOSECONDS = 10**9

NANOCPUS = 10**6
"""A thousandth of a processor, as the API counts."""

BUILT_IN = ("bridge", "default", "host", "none")
"""Networks on which a container has no names of its own."""

FILES_OF = "floto.files-of"
"""Label of the nameless volumes that hold the rendered files of a container whose root cannot be written."""


def container_body(container: Container, labels: Labels, image: str, owned: Collection[str]) -> dict[str, Any]:
    """The body of POST /containers/create; volumes in `owned` have a root that no image may change."""
    return _without_none(
        {
            "Image": image,
            "Cmd": _list(container.command),
            "Entrypoint": _list(container.entrypoint),
            "Env": [f"{name}={plain(text)}" for name, text in container.env.items()],
            "User": container.user,
            "WorkingDir": container.workdir,
            "Hostname": container.hostname,
            "Labels": {**container.labels, **labels.to_mapping()},
            "StopSignal": container.stop_signal,
            "StopTimeout": container.stop_grace,
            "Healthcheck": healthcheck_body(container.healthcheck),
            "ExposedPorts": {f"{port.container}/{port.protocol}": {} for port in container.ports},
            "HostConfig": _host_config(container, owned),
            "NetworkingConfig": {
                "EndpointsConfig": {place.network: endpoint(container, place) for place in container.networks[:1]}
            },
        }
    )


def endpoint(container: Container, place: Attachment) -> dict[str, Any]:
    """A container's place on a network; its own name is an alias, for a draft is called otherwise."""
    address = {"IPv6Address" if ":" in place.address else "IPv4Address": place.address} if place.address else {}
    return {"Aliases": [container.name, *place.aliases], "IPAMConfig": address}


def body_again(found: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body that makes a container like one that an engine reports, and its places on all networks but the first."""
    config, host, short = found["Config"], found["HostConfig"], found["Id"][:12]
    places = {
        network: {
            "Aliases": [alias for alias in place["Aliases"] or () if alias != short],
            "IPAMConfig": place["IPAMConfig"],
        }
        for network, place in found["NetworkSettings"]["Networks"].items()
        if network not in BUILT_IN
    }
    first = host["NetworkMode"]
    endpoints = {first: places.pop(first)} if first in places else {}
    # An engine's own choice of a name is that of the container: the new one gets its own.
    hostname = "" if config["Hostname"] == short or first == "host" else config["Hostname"]
    return {
        **config,
        "Image": found["Image"],
        "Hostname": hostname,
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }, places


def limits_body(host: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """What to ask of POST /containers/ID/update so that a container with this `HostConfig` gets these limits."""
    body: dict[str, Any] = {}
    if limits.memory and limits.memory != host["Memory"]:
        # Memory cannot pass the limit of memory and swap together, which an engine puts at twice the memory.
        body |= {"Memory": limits.memory, "MemorySwap": 2 * limits.memory if host["MemorySwap"] > 0 else -1}
    if limits.cpu_millis and limits.cpu_millis != host["NanoCpus"] // NANOCPUS:
        body["NanoCpus"] = limits.cpu_millis * NANOCPUS
    if limits.restart != (host["RestartPolicy"]["Name"] or "no"):
        body["RestartPolicy"] = {"Name": limits.restart}
    return body


def files_folders(container: Container) -> tuple[str, ...]:
    """Where a container whose root cannot be written needs a volume for its rendered files."""
    if not container.read_only:
        return ()
    found = [PurePosixPath(mount.path) for mount in container.mounts]
    made = []
    for folder in sorted({PurePosixPath(file.path).parent for file in container.files}):
        if not any(folder.is_relative_to(place) for place in found):
            found.append(folder)
            made.append(str(folder))
    return tuple(made)


def _host_config(container: Container, owned: Collection[str]) -> dict[str, Any]:
    return {
        "NetworkMode": container.networks[0].network if container.networks else container.network_mode,
        "PortBindings": _port_bindings(container),
        "Mounts": [
            *(mount_body(mount, owned) for mount in container.mounts),
            *(_files_mount(container, folder) for folder in files_folders(container)),
        ],
        "RestartPolicy": {"Name": container.restart},
        "LogConfig": {
            "Type": container.log.driver,
            "Config": {"max-size": str(container.log.max_size), "max-file": str(container.log.max_files)},
        },
        "ExtraHosts": [f"{name}:{address}" for name, address in container.extra_hosts.items()],
        "Dns": list(container.dns),
        "Devices": [_device(device) for device in container.devices],
        "CapAdd": list(container.cap_add),
        "CapDrop": list(container.cap_drop),
        "Privileged": container.privileged,
        "ReadonlyRootfs": container.read_only,
        "Ulimits": [{"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in container.ulimits],
        "Sysctls": dict(container.sysctls),
        "ShmSize": container.shm_size or 0,
        "NanoCpus": (container.cpu_millis or 0) * NANOCPUS,
        "Memory": container.memory or 0,
        "Init": container.init,
    }


def _port_bindings(container: Container) -> Mapping[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in container.ports:
        place = {"HostIp": port.address, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(place)
    return bindings


def mount_body(mount: Mount, owned: Collection[str]) -> dict[str, Any]:
    """A mount as the API has it."""
    match mount:
        case VolumeMount():
            return {
                "Type": "volume",
                "Source": mount.volume,
                "Target": mount.path,
                "ReadOnly": mount.read_only,
                "VolumeOptions": {"NoCopy": mount.volume in owned},
            }
        case HostMount():
            return {"Type": "bind", "Source": mount.source, "Target": mount.path, "ReadOnly": mount.read_only}
        case MemoryMount():
            options = {"SizeBytes": mount.size or 0, "Mode": mount.mode}
            return {"Type": "tmpfs", "Target": mount.path, "TmpfsOptions": options}


def _files_mount(container: Container, folder: str) -> dict[str, Any]:
    return {"Type": "volume", "Target": folder, "VolumeOptions": {"Labels": {FILES_OF: container.name}}}


def healthcheck_body(check: Healthcheck | None) -> dict[str, Any] | None:
    """A healthcheck as the API has it."""
    if check is None:
        return None
    return {
        "Test": list(check.test),
        "Interval": check.interval * NANOSECONDS,
        "Timeout": check.timeout * NANOSECONDS,
        "Retries": check.retries,
        "StartPeriod": check.start_period * NANOSECONDS,
    }


def _device(text: str) -> dict[str, str]:
    outside, _, rest = text.partition(":")
    inside, _, rights = rest.partition(":")
    return {"PathOnHost": outside, "PathInContainer": inside or outside, "CgroupPermissions": rights or "rwm"}


def plain(text: str | Sealed) -> str:
    """The text itself: never to be printed, logged or stored."""
    return text.reveal() if isinstance(text, Sealed) else text


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}
