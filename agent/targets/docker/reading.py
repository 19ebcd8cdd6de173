"""What an engine's JSON means: pure functions from its answers to our values of state."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from agent.labels import labels_from
from agent.state import (
    Checked,
    ContainerState,
    DiskUse,
    EngineFacts,
    Health,
    ImageState,
    ImageStore,
    NetworkState,
    Settings,
    Space,
    VolumeState,
)
from bundle_format.digest import Digest
from bundle_format.release.fittings import Port

Json = Mapping[str, Any]

_FRACTION = re.compile(r"\.\d+")


def facts_from(address: str, version: Json, info: Json, now: float) -> EngineFacts:
    """Who answers at `address`; `now` is our clock, in Unix seconds, when `info` arrived."""
    status = dict(pair for pair in info.get("DriverStatus") or () if len(pair) == 2)
    store: ImageStore = "containerd" if status.get("driver-type", "").startswith("io.containerd") else "classic"
    major, minor = version["ApiVersion"].split(".")
    return EngineFacts(
        # Machines cloned from one image have engines of one ID; so the address belongs to it.
        id=f"{info['ID']} at {address}",
        name=info["Name"],
        version=version["Version"],
        api=(int(major), int(minor)),
        architecture=version["Arch"],
        store=store,
        driver=info["Driver"],
        root=info["DockerRootDir"],
        skew=round(seconds_of(info["SystemTime"]) - now),
    )


def image_from(image: Json) -> ImageState:
    """An image from its own JSON."""
    return ImageState(
        id=image["Id"],
        layers=tuple(Digest(layer) for layer in image["RootFS"].get("Layers") or ()),
        tags=tuple(image.get("RepoTags") or ()),
        size=image["Size"],
    )


def container_from(container: Json) -> ContainerState:
    """A container from its own JSON."""
    state = container["State"]
    health = state.get("Health") or {}
    return ContainerState(
        id=container["Id"],
        name=container["Name"].removeprefix("/"),
        image=container["Image"],
        status=state["Status"],
        health=_health(health.get("Status", "none")),
        checked=_checked(health.get("Log") or ()),
        restarts=container["RestartCount"],
        exit_code=state["ExitCode"],
        started=int(seconds_of(state["StartedAt"])),
        labels=labels_from(container["Config"].get("Labels") or {}),
        ports=_ports(container),
        settings=_settings(container),
        service=(container["Config"].get("Labels") or {}).get("com.docker.swarm.service.name", ""),
        reason=state.get("Error", ""),  # never what a check printed: it may hold secrets, and plans tell reasons
    )


def network_from(network: Json) -> NetworkState:
    """A network from its place in the list of all."""
    places = network["IPAM"]["Config"] or [{}]
    return NetworkState(
        id=network["Id"],
        name=network["Name"],
        driver=network["Driver"],
        subnet=places[0].get("Subnet"),
        gateway=places[0].get("Gateway"),
        internal=network["Internal"],
        labels=labels_from(network["Labels"] or {}),
    )


def volume_from(volume: Json, unready: Collection[str]) -> VolumeState:
    """A volume from its place in the list of all; `unready` names those whose making was cut short."""
    name = volume["Name"]
    return VolumeState(name, volume["Driver"], name not in unready, labels_from(volume["Labels"] or {}))


def disk_from(use: Json, space: Space | None) -> DiskUse:
    """What fills an engine, from its `system/df`."""
    volumes = {volume["Name"]: (volume.get("UsageData") or {}).get("Size", -1) for volume in use["Volumes"] or ()}
    return DiskUse(
        images=use["LayersSize"],
        containers=sum(container.get("SizeRw", 0) for container in use["Containers"] or ()),
        volumes={name: size if size >= 0 else None for name, size in volumes.items()},
        space=space,
    )


def seconds_of(time: str) -> float:
    """RFC 3339 as Unix seconds; 0 for the engine's way to say never (year 1)."""
    moment = datetime.fromisoformat(_FRACTION.sub(lambda found: found[0][:7], time.replace("Z", "+00:00")))
    return max(moment.timestamp(), 0.0) if moment.year > 1 else 0.0


def _health(said: str) -> Health:
    known: Mapping[str, Health] = {"starting": "starting", "healthy": "healthy", "unhealthy": "unhealthy"}
    return known.get(said, "none")


def _checked(log: Sequence[Json]) -> Checked | None:
    return Checked(log[-1]["ExitCode"], log[-1]["Output"]) if log else None


def _ports(container: Json) -> tuple[Port, ...]:
    # A running container's ports are what it really has; of the others only the wish is known.
    actual = container["NetworkSettings"].get("Ports") or {}
    bindings = actual if any(actual.values()) else container["HostConfig"].get("PortBindings") or {}
    ports = []
    for inside, places in bindings.items():
        number, _, protocol = inside.partition("/")
        for place in places or ():
            if place["HostPort"] not in ("", "0"):
                address = place.get("HostIp") or "0.0.0.0"  # noqa: S104  # so the engine says "all"
                ports.append(_port(int(number), int(place["HostPort"]), protocol, address))
    return tuple(ports)


def _port(container: int, host: int, protocol: str, address: str) -> Port:
    spoken: Mapping[str, Literal["tcp", "udp", "sctp"]] = {"tcp": "tcp", "udp": "udp", "sctp": "sctp"}
    return Port(container=container, host=host, protocol=spoken[protocol], address=address)


def _settings(container: Json) -> Settings:
    config, host = container["Config"], container["HostConfig"]
    return Settings(
        command=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        env=dict(line.partition("=")[::2] for line in config.get("Env") or ()),
        user=config.get("User", ""),
        workdir=config.get("WorkingDir", ""),
        restart=host["RestartPolicy"]["Name"] or "no",
        memory=host["Memory"],
        cpu_millis=host["NanoCpus"] // 1_000_000,
        privileged=host["Privileged"],
        read_only=host["ReadonlyRootfs"],
        auto_remove=host.get("AutoRemove", False),
        networks=tuple(sorted(container["NetworkSettings"].get("Networks") or ())),
        mounts=tuple(sorted([*_mounts(host), *map(_bound, host.get("Binds") or ())])),
    )


def _mounts(host: Json) -> Iterator[str]:
    return (_mount(mount) for mount in host.get("Mounts") or () if not _is_nameless(mount))


def _bound(bind: str) -> str:
    """A mount in the short form (`docker run --volume`), which we never write but others do."""
    source, target, *options = bind.split(":")
    kind = "host" if source.startswith("/") else "volume"
    return f"{kind}:{source}:{target}:{'ro' if 'ro' in ','.join(options).split(',') else 'rw'}"


def _is_nameless(mount: Json) -> bool:
    return bool(mount["Type"] == "volume" and not mount.get("Source"))


def _mount(mount: Json) -> str:
    kind = "host" if mount["Type"] == "bind" else mount["Type"]
    return f"{kind}:{mount.get('Source', '')}:{mount['Target']}:{'ro' if mount.get('ReadOnly') else 'rw'}"
