"""Whether what is installed is still what was signed: images byte by byte, files in containers, options."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from agent.planning.view import View, as_standing
from agent.state import ContainerState
from agent.targets.engine import Engine
from bundle_format.errors import MissingError, TargetError
from bundle_format.progress import Progress
from bundle_format.release.deployment import Container
from bundle_format.store import Store

MOST_FILE = 64 << 20
"""Bytes of a rendered file that are read back at most."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something installed that is not as it was signed, and the containers that have to be made anew."""

    host: str
    message: str
    containers: tuple[str, ...]
    image: str = ""
    """The engine's id of a damaged image, which has to be loaded anew."""


def find_faults(view: View, engines: Mapping[str, Engine], progress: Progress) -> Iterator[Fault]:
    """Read back all that the release has put on its hosts; what a plan tells already is left to it."""
    for host in view.hosts:
        engine = engines[host]
        yield from _images(view, host, engine, progress)
        for container in view.containers(host):
            found = view.found(container)
            if found:
                yield from _files(container, found, engine)


def _images(view: View, host: str, engine: Engine, progress: Progress) -> Iterator[Fault]:
    state = view.engine(host)
    for name in sorted({container.image for container in view.things(host)}):
        image = view.deployment.images[name]
        held = state.image_id(image)
        users = tuple(container.name for container in view.containers(host) if container.image == name)
        if held is None:
            if users:
                yield Fault(host, f"image {image.tag} is not on the engine", users)
            continue
        with progress.task(f"reading back {image.tag} on {host}"):
            sound = engine.check_image(held)
        if not sound:
            yield Fault(host, f"image {image.tag} is damaged", users, held)


def _files(container: Container, found: ContainerState, engine: Engine) -> Iterator[Fault]:
    for file in container.files:
        try:
            content = engine.read_file(found.id, file.path, MOST_FILE)
        except TargetError as error:
            yield Fault(
                engine.host, f"{container.name}: {file.path} cannot be read: {error.message}", (container.name,)
            )
            continue
        if content != file.content:
            what = "is missing" if content is None else "was edited by hand"
            yield Fault(engine.host, f"{container.name}: file {file.path} {what}", (container.name,))


def require_whole(faults: Iterable[Fault], view: View, store: Store) -> None:
    """MissingError when the store cannot give back a damaged image whole: what still runs of it had better stay."""
    lost = {
        digest
        for fault in faults
        for image in view.deployment.images.values()
        if fault.image and view.engine(fault.host).image_id(image) == fault.image
        for digest in (image.config, image.manifest, *image.layers)
        if not store.is_whole(digest)
    }
    if lost:
        raise MissingError(
            f"nothing was changed, for the site's store is damaged, too: {', '.join(sorted(lost))}",
            f"Remove these from {store.root}, apply a full bundle of the release, which brings them, then again.",
        )


def take_away(fault: Fault, view: View, engine: Engine) -> None:
    """Remove a damaged image, and before it all of ours that was made from it, so that a plan finds both missing.

    Volumes stay. Where this is interrupted, the next apply makes the containers anew. TargetError when somebody else's
    container holds the image.
    """
    for found in view.ours(fault.host):
        if found.image == fault.image:
            engine.stop(found.id, as_standing(found).grace)
            engine.remove(found.id)
    engine.remove_image(fault.image, view.tags_of(fault.host, fault.image))
    if any(held.id == fault.image for held in engine.observe().images):
        raise TargetError(
            f"{fault.host}: {fault.message}, but a container that is not ours holds it",
            "Find it with docker ps --all, and remove it; then run this again.",
        )
