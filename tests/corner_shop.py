"""A tiny product for real engines: a front that serves a rendered page, a base with a volume, a migration that counts.

Each of its images is a static busybox, so that a bundle is made in a moment and runs anywhere.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bundle_format.blob import Blob
from bundle_format.release.deployment import Access
from bundle_format.release.model import File, MachineImage, Parameter, Release, Variant
from bundle_format.store import Store
from tests.bundles import Shelved, sign_and_write
from tests.images import busybox_layer, layer, make_image

BASE = busybox_layer()
PAGE = "<h1>{{ greeting }}</h1>\nversion {{ version }}\nsecret {{ password }}\n"
SECRET = "correct-horse-battery"


def make_shop(
    folder: Path,
    version: str = "2024.1",
    sequence: int = 1,
    *,
    page: str = PAGE,
    healthy: bool = True,
    web: Mapping[str, Any] | None = None,
    migration: str | None = "echo {version} >> /data/log",
    containers: Mapping[str, Any] | None = None,
    hosts: Iterable[str] = (),
    host: str = "server",
    machine: Mapping[str, Any] | None = None,
    disk: Path | None = None,
) -> Path:
    """Write a signed bundle of the shop into `folder`; its path. `hosts` are more than the shop itself needs.

    `machine` is what its host is made of, from a machine image `debian` with the raw `disk`; all that its engine holds
    is on a data disk.
    """
    store = Store(folder / "makers-store", threads=1)
    shelf = Shelved(store)
    images = {
        name: make_image(
            shelf, f"shop/{name}:{version}", [BASE, layer({f"app/{name}": version.encode()})], Cmd=["sleep", "inf"]
        )
        for name in ("web", "base")
    }
    template: Blob = store.add_bytes(page.encode())
    answers = "wget -q -O /dev/null http://127.0.0.1:8080/index.html" if healthy else "false"
    data = [{"kind": "volume", "volume": "data", "path": "/data"}]
    objects: dict[str, Any] = {
        "host": {name: {} for name in (host, *hosts)},
        "network": {"shop": {}},
        "volume": {"data": {}},
        "template": {
            "page": {
                "file": "page.j2",
                "vars": {"greeting": {"$param": "greeting"}, "version": version, "password": {"$param": "password"}},
            }
        },
        "container": {
            "base": {
                "host": host, "image": "base", "mounts": data, "networks": [{"network": "shop"}], "stop_grace": 1,
            },
            "front": {
                "host": host,
                "image": "web",
                "command": ["httpd", "-f", "-p", "8080", "-h", "/srv/www"],
                "after": ["migrate"] if migration else ["base"],
                "networks": [{"network": "shop"}],
                "ports": [{"container": 8080, "host": {"$param": "port"}}],
                "files": [{"template": "page", "path": "/srv/www/index.html"}],
                "env": {"PASSWORD": {"$param": "password"}},
                "healthcheck": {"test": ["CMD-SHELL", answers], "interval": 1, "retries": 2},
                "health_deadline": 15,
                "stop_grace": 1,
                **(web or {}),
            },
            **(containers or {}),
        },
    }  # fmt: skip
    machine_images = {}
    if machine and disk:
        with disk.open("rb") as raw:
            blob = store.add(raw)
        machine_images["debian"] = MachineImage(disk=blob.digest, size=blob.size)
        objects["host"][host] = {"kind": "machine", "machine": {"image": "debian", "disks": ["engine"], **machine}}
        objects["data_disk"] = {"engine": {"size": 1 << 30, "mount": "/var/lib/docker"}}
    if migration:
        script = migration.format(version=version)
        task = {
            "host": host,
            "image": "base",
            "mounts": data,
            "after": ["base"],
            "restart": "no",
            "command": ["sh", "-c", script],
            "env": {"PASSWORD": {"$param": "password"}},
        }
        objects["task"] = {"migrate": {"container": task, "reversible": False, "backup": ["data"]}}
    release = Release(
        product="shop",
        version=version,
        evaluator="test",
        sources={"site.star": store.add_bytes(b'project("shop")\n').digest},
        parameters={
            "greeting": Parameter(type="string", default="welcome"),
            "port": Parameter(type="port", default=8080),
            "password": Parameter(type="secret"),
        },
        images=images,
        machine_images=machine_images,
        files={"page.j2": File(digest=template.digest, size=template.size)},
        variants=(Variant(when={}, objects=objects),),
    )
    return sign_and_write(folder / f"shop-{version}-{sequence}.floto", release, store, sequence)


def write_site(folder: Path, engine: str, others: Mapping[str, Access] | None = None, **values: str | int) -> Path:
    """Write the shop's `site.toml` and its secret."""
    (folder / "password").write_text(SECRET + "\n", encoding="utf-8")
    lines = ['site = "krakow-1"', "[params]", 'password = { file = "password" }']
    lines += [f"{name} = {value!r}" for name, value in values.items()]
    for name, access in {"server": Access(engine=engine or "unix:///-"), **(others or {})}.items():
        fields = access.model_dump(exclude_none=True)
        lines += [f"[hosts.{name}]", *(f"{key} = {value!r}" for key, value in fields.items())]
    path = folder / "site.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
