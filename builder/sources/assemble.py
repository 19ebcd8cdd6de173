"""Images put together without any engine: a base, layers of files in order, and a configuration."""

from collections.abc import Callable, Iterable
from typing import Any

from builder.images.oci import image_of, layers_of, platform_of, read_config, time_text
from builder.language.evaluation import Assemble, Placed
from builder.layers.layer import Entry, digest_of_entries, write_tar
from builder.layers.tree import tree_of
from builder.work.ledger import Ledger
from bundle_format.canonical import canonical
from bundle_format.digest import Digest
from bundle_format.errors import DefinitionError
from bundle_format.pieces import stream_of
from bundle_format.release.model import Image
from bundle_format.store import Store


def assemble(
    recipe: Assemble,
    base: Image | None,
    entries_of: Callable[[Iterable[Placed]], list[Entry]],
    store: Store,
    ledger: Ledger,
    *,
    epoch: int,
) -> Image:
    """The image that `recipe` describes on top of `base`, whose layers are in the store; all times are `epoch`.

    Equal content makes an equal image wherever and whenever it is put together. DefinitionError where something is
    placed over what the base has there, or where the base is for another platform.
    """
    config: dict[str, Any] = read_config(store, base.config) if base else _nothing(recipe.platform)
    if platform_of(config) != recipe.platform:
        raise DefinitionError(f"the base of the image is for {platform_of(config)}, not for {recipe.platform}")
    tree = tree_of(store, ledger, base.layers if base else ())
    layers = list(layers_of(config))
    for placed in recipe.layers:
        entries = tree.placed(entries_of(placed))
        layers.append(_layer(entries, store, ledger, epoch))
        tree = tree.with_layer(entries)
    config["rootfs"] = {"type": "layers", "diff_ids": layers}
    config["created"] = time_text(epoch)
    config["config"] = _settings(recipe, config.get("config") or {})
    config["history"] = [*(config.get("history") or ()), *_history(recipe, epoch)]
    source = {"kind": "assemble", **({"base": base.config} if base else {})}
    return image_of(store, canonical(config), recipe.tag, source)


def _layer(entries: list[Entry], store: Store, ledger: Ledger, epoch: int) -> Digest:
    named = digest_of_entries(entries)
    known = ledger.recall("layer", named, epoch)
    if known is not None and known in store:
        return Digest(known)
    layer = store.add(stream_of(write_tar(entries, epoch))).digest
    ledger.remember("layer", named, epoch, value=layer)
    return layer


def _nothing(platform: str) -> dict[str, Any]:
    system, architecture, *variant = platform.split("/")
    config = {"architecture": architecture, "os": system, "rootfs": {"type": "layers", "diff_ids": []}}
    return config | ({"variant": variant[0]} if variant else {})


def _settings(recipe: Assemble, base: dict[str, Any]) -> dict[str, Any]:
    settings = dict(base)
    if recipe.env:
        settings["Env"] = _env(base.get("Env") or (), recipe.env)
    if recipe.labels:
        settings["Labels"] = (base.get("Labels") or {}) | recipe.labels
    if recipe.expose:
        ports: dict[str, Any] = {port if "/" in port else f"{port}/tcp": {} for port in recipe.expose}
        settings["ExposedPorts"] = (base.get("ExposedPorts") or {}) | ports
    said = {
        "Entrypoint": recipe.entrypoint,
        "Cmd": recipe.command,
        "User": recipe.user,
        "WorkingDir": recipe.workdir,
    }
    return settings | {key: value for key, value in said.items() if value is not None}


def _env(base: Iterable[str], added: dict[str, str]) -> list[str]:
    env = dict(line.partition("=")[::2] for line in base) | added
    return [f"{name}={value}" for name, value in env.items()]


def _history(recipe: Assemble, epoch: int) -> list[dict[str, Any]]:
    time = time_text(epoch)
    layers = [{"created": time, "created_by": f"floto: layer {number + 1}"} for number in range(len(recipe.layers))]
    return [*layers, {"created": time, "created_by": "floto: configuration", "empty_layer": True}]
