"""A site in memory whose host is a machine on a FakeBox, with the shop's database on its data disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.machines.materials import ENGINE_PORT
from bundle_format.release.deployment import Access, Deployment
from bundle_format.release.model import MachineImage
from tests.fake_hypervisor import FakeBox
from tests.sites import FakeSite

SMALL = 64 << 20
ADDRESS = "192.0.2.20"
DATA = [{"kind": "volume", "volume": "data", "path": "/data"}]
CHECK = {"test": ["CMD", "true"], "interval": 1, "retries": 1}


class MachineSite:
    """One machine `db1` with one data disk; `on_disk`: its engine's root is there."""

    def __init__(self, root: Path, *, on_disk: bool = True) -> None:
        self.site = FakeSite(root)
        self.site.daemons.clear()
        self.box = FakeBox(self.site.clock, engine_on_disk=on_disk)
        self.site.box = self.box
        self.mount = "/var/lib/docker" if on_disk else "/srv"

    def image(self, content: bytes = b"a disk") -> MachineImage:
        raw = content.ljust(1024, b"\0")
        return MachineImage(disk=self.site.store.add_bytes(raw).digest, size=len(raw))

    def deployment(
        self,
        version: str = "1",
        *,
        machine: Mapping[str, Any] | None = None,
        disk: Mapping[str, Any] | None = None,
        image: bytes = b"a disk",
        front: Mapping[str, Any] | None = None,
        mounts: list[dict[str, str]] = DATA,
    ) -> Deployment:
        site = self.site
        made = {
            "image": "debian",
            "nics": [{"network": "lan", "address": f"{ADDRESS}/24", "gateway": "192.0.2.1"}],
            "disks": ["data"],
            "cpus": 2,
            "memory": 1 << 30,
            **(machine or {}),
        }
        access = Access(engine=f"tcp://{ADDRESS}:{ENGINE_PORT}")
        disks = {"data": {"size": SMALL, "mount": self.mount, **(disk or {})}}
        return site.deployment(
            version,
            images={name: site.image(name, version) for name in ("db", "front")},
            machine_images={"debian": self.image(image)},
            hosts={"db1": {"kind": "machine", "machine": made, "access": access}},
            data_disks={name: {"name": name, **tree} for name, tree in disks.items()},
            volumes={"data": {}},
            containers={
                "db": {"host": "db1", "mounts": mounts, "healthcheck": CHECK},
                "front": {"host": "db1", "after": ["db"], "healthcheck": CHECK, "health_deadline": 5, **(front or {})},
            },
        )

    def machines(self) -> dict[str, str]:
        """Power by name of all machines."""
        return {machine.name: machine.power for machine in self.box.machines.values()}

    def running(self) -> dict[str, str]:
        """Name and tag of what runs on the machine."""
        daemon = self.box.daemon_at(ADDRESS)
        assert daemon, "no engine answers"
        return {
            container.name: ",".join(sorted(daemon.images[container.image].tags))
            for container in daemon.containers.values()
            if daemon.status(container)[0] == "running"
        }
