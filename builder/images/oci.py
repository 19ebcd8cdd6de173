"""Images by content: configurations and manifests (OCI image specification 1.1) around uncompressed layers."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bundle_format.canonical import canonical
from bundle_format.digest import Digest, parse_digest
from bundle_format.errors import DefinitionError
from bundle_format.release.model import Image
from bundle_format.store import Store

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

MOST_JSON = 4 << 20
"""Bytes of the largest configuration or manifest that is read."""

_KEPT = ("architecture", "author", "os", "os.features", "os.version", "variant")
_KEPT_SETTINGS = (
    "ArgsEscaped",
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
)


def read_config(store: Store, digest: Digest) -> dict[str, Any]:
    """An image's configuration; DefinitionError unless it is one."""
    return parse_config(store.read_bytes(digest, MOST_JSON))


def parse_config(text: bytes) -> dict[str, Any]:
    """An image's configuration from its text; DefinitionError unless it is one."""
    try:
        config = json.loads(text)
        for diff_id in config["rootfs"]["diff_ids"]:
            parse_digest(diff_id)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DefinitionError("an image's configuration is not as the OCI specification says") from error
    assert isinstance(config, dict)
    return config


def layers_of(config: Mapping[str, Any]) -> tuple[Digest, ...]:
    """The diff ids of an image's layers, base first."""
    return tuple(Digest(diff_id) for diff_id in config["rootfs"]["diff_ids"])


def image_of(store: Store, config: bytes, tag: str, source: Mapping[str, str]) -> Image:
    """The image that `config` describes, once its layers are in the store; adds the configuration and a manifest.

    MissingError where a layer is absent.
    """
    described = parse_config(config)
    layers = layers_of(described)
    config_blob = store.add_bytes(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config_blob.digest, "size": config_blob.size},
        "layers": [{"mediaType": LAYER_TYPE, "digest": layer, "size": store.size(layer)} for layer in layers],
    }
    return Image(
        tag=tag,
        config=config_blob.digest,
        manifest=store.add_bytes(canonical(manifest)).digest,
        layers=layers,
        size=sum(store.size(layer) for layer in layers),
        platform=platform_of(described),
        source=dict(source),
    )


def platform_of(config: Mapping[str, Any]) -> str:
    """`os/architecture` or `os/architecture/variant`."""
    steps = (config.get("os") or "linux", config.get("architecture") or "amd64", config.get("variant"))
    return "/".join(step for step in steps if step)


def settled_config(config: Mapping[str, Any], layers: Sequence[Digest], base_layers: int, epoch: int) -> bytes:
    """The text of a built image's configuration without what differs from build to build.

    The layers become `layers`, the times of the image and of its history after the first `base_layers` layers become
    `epoch` (seconds), and container names and intermediate images are left out.
    """
    time = time_text(epoch)
    settled: dict[str, Any] = {key: config[key] for key in _KEPT if config.get(key)}
    settings = config.get("config") or {}
    settled["config"] = {key: settings[key] for key in _KEPT_SETTINGS if settings.get(key) not in (None, [], {}, "")}
    settled["created"] = time
    settled["rootfs"] = {"type": "layers", "diff_ids": list(layers)}
    settled["history"] = []
    seen = 0
    for step in config.get("history") or ():
        settled["history"].append(step if seen < base_layers else {**step, "created": time})
        seen += not step.get("empty_layer")
    return canonical(settled)


def time_text(epoch: int) -> str:
    """Seconds since 1970 as RFC 3339 writes them in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
