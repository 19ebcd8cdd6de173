"""What containers stand on: the host's own steps, the networks, volumes and images that a host lacks."""

import shlex
from collections.abc import Iterator, Mapping

from agent.planning.order import Entry
from agent.planning.view import View
from agent.state import EngineState, chain_ids
from agent.steps import CreateNetwork, CreateVolume, DoHostStep, Draft, LoadImages
from bundle_format.release.model import Image

HOST_STEP_SECONDS = 5
LOAD_RATE = 100 << 20
"""Bytes a second that an engine takes in, about (it hashes and unpacks)."""


def host_step_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """Steps of a host whose checks say that they are not done; each tells its command to the letter."""
    for name, step in view.deployment.host_steps.items():
        code = view.state.checks.get(name, 0)
        if step.host == host and isinstance(code, int) and code != 0:
            why = (shlex.join(step.run), f"not done yet: {shlex.join(step.unless)} ended with {code}")
            action = DoHostStep(
                host=host, step=name, run=step.run, unless=step.unless, undo=step.undo, deadline=step.deadline
            )
            yield f"host_step/{name}", Entry(action, why, seconds=HOST_STEP_SECONDS)


def network_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """Networks that containers of a host need and its engine lacks."""
    engine = view.engine(host)
    held = {network.name for network in engine.networks}
    for name in sorted(view.networks(host) - held):
        action = CreateNetwork(host=host, network=name)
        yield f"network/{engine.facts.id}/{name}", Entry(action, ("missing",), seconds=1)


def volume_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """Volumes that containers of a host need and its engine lacks, or holds half-made."""
    engine = view.engine(host)
    ready = {volume.name for volume in engine.volumes if volume.ready}
    held = {volume.name for volume in engine.volumes}
    for name in sorted(view.volumes(host) - ready):
        why = "its owner and mode are not set" if name in held else "missing"
        action = CreateVolume(host=host, volume=name)
        yield f"volume/{engine.facts.id}/{name}", Entry(action, (why,), seconds=1)


def image_entries(view: View, entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """One load for each engine that lacks images of what is made ready for its hosts."""
    loaders: dict[str, str] = {}
    wanted: dict[str, set[str]] = {}
    for entry in entries.values():
        if isinstance(entry.action, Draft):
            facts = view.engine(entry.action.host).facts
            loaders.setdefault(facts.id, entry.action.host)
            wanted.setdefault(facts.id, set()).add(view.thing(entry.action.container).image)
    for engine_id, host in loaders.items():
        engine = view.engine(host)
        images = {name: view.deployment.images[name] for name in sorted(wanted[engine_id])}
        missing = {name: image for name, image in images.items() if engine.image_id(image) is None}
        if missing:
            size = _size_of(view, engine, missing)
            why = ("not on the engine: " + ", ".join(image.tag for image in missing.values()),)
            action = LoadImages(host=host, images=tuple(missing))
            yield f"load/{host}", Entry(action, why, bytes=size, seconds=1 + size // LOAD_RATE)


def _size_of(view: View, engine: EngineState, images: Mapping[str, Image]) -> int:
    """The bytes that travel: layers that the engine lacks, each once; the whole image where sizes are not known."""
    held, size = set(engine.chains()), 0
    for image in images.values():
        if not all(layer in view.sizes for layer in image.layers):
            size += image.size
            continue
        for layer, chain in zip(image.layers, chain_ids(image.layers), strict=True):
            if chain not in held:
                size += view.sizes[layer]
                held.add(chain)
    return size
