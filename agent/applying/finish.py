"""The end of an apply: its receipt, the tags of its images, and the removal of what neither release needs."""

from collections.abc import Iterator, Sequence

from agent.applying.journal import Course
from agent.applying.machines import discard, drop_snapshot
from agent.applying.means import Means
from agent.folder import Folder
from agent.history import Backup, History, Outcome, Receipt, Undertaking, read_history
from agent.machines.actions import ReplaceMachine, TakeSnapshot
from agent.steps import BackUp, Draft, Remove, Replace, RunTask, Standing, aside_name, draft_name
from agent.swarm.actions import DraftService, RemoveService
from bundle_format.digest import Digest, parse_digest
from bundle_format.release.model import Image, release_from_json
from bundle_format.store import Store


def receipt_of(course: Course, outcome: Outcome, ended: int) -> Receipt:
    """What there is to say of an undertaking at its end."""
    steps = course.undertaking.plan.steps
    did = [(steps[number].action, result) for number, result in sorted(course.did.items())]
    kept = outcome != "taken back"
    return Receipt(
        undertaking=course.undertaking,
        outcome=outcome,
        ended=ended,
        phases=course.phases,
        reasons=tuple(course.reasons),
        tasks=tuple(action.task for action, _ in did if kept and isinstance(action, RunTask)),
        backups=tuple(
            Backup(host=action.host, volume=action.volume, content=parse_digest(content))
            for action, content in did
            if kept and isinstance(action, BackUp)
        ),
    )


def tidy(folder: Folder, undertaking: Undertaking, means: Means) -> None:
    """Remove what was set aside, move the tags, and keep of images and blobs those of the current and previous release.

    Volumes are never removed, and nothing that does not bear our labels or that our receipts do not know; no image and
    no blob is where a damaged receipt may be of the previous release.
    """
    _remove_set_aside(undertaking, means)
    history = read_history(folder)
    unsure = history.damaged_since(history.previous)
    kept = [receipt.undertaking for receipt in (history.current, history.previous) if receipt]
    images = {image.config for one in kept for image in one.images.values()}
    for host in undertaking.hosts:
        if undertaking.only and host not in means.engines:
            continue  # it was left out, and nobody asked it
        _tag(host, undertaking, means)
        if not unsure:
            _remove_images(host, _known_images(history), images, means)
    _tidy_swarms(undertaking, kept, means)
    if not unsure:
        means.store.gc(set(blobs_to_keep(history, means.store)))


def blobs_to_keep(history: History, store: Store) -> Iterator[Digest]:
    """The blobs that the current release and the one before it need, so that both can be put back without a stick."""
    for receipt in (history.current, history.previous):
        if receipt is None:
            continue
        source = receipt.undertaking.source
        yield from (source.release, source.site_file, *(backup.content for backup in receipt.backups))
        # Going back takes the backups of every change since, such as one before containers were made anew.
        yield from (backup.content for backup in history.backups_since(receipt))
        yield from blobs_of(receipt.undertaking, store)


def blobs_of(undertaking: Undertaking, store: Store) -> Iterator[Digest]:
    """The blobs that an undertaking's deployment is made of; its release must be there."""
    for image in undertaking.images.values():
        yield from (image.config, image.manifest, *image.layers)
    yield from (image.disk for image in undertaking.machine_images.values())
    release = release_from_json(store.read_bytes(undertaking.source.release))
    yield from (file.digest for file in release.files.values())


def _remove_set_aside(undertaking: Undertaking, means: Means) -> None:
    for step in undertaking.plan.steps:
        action = step.action
        if isinstance(action, ReplaceMachine):
            discard(means.hypervisor(action.hypervisor), aside_name(action.machine), means)
            continue
        if isinstance(action, TakeSnapshot):
            drop_snapshot(action, means)
            continue
        match action:
            case Replace(standing=standing) | Remove(standing=standing) | RunTask(standing=Standing() as standing):
                passing, grace = aside_name(standing.name), standing.grace
            case Draft(container=name):
                passing, grace = draft_name(name), 0
            case _:
                continue
        engine = means.engine(action.host)
        engine.stop(passing, grace)
        engine.remove(passing)


def _tidy_swarms(undertaking: Undertaking, kept: Sequence[Undertaking], means: Means) -> None:
    """Remove services that were stopped for good, and the files that no service of either release needs."""
    hosts = {placed.host for placed in undertaking.services.values() if placed.host in means.engines}
    for step in undertaking.plan.steps:
        match step.action:
            case RemoveService(host=host, service=name):
                means.engine(host).swarm.remove(name)
                hosts.add(host)
            case DraftService(host=host):
                hosts.add(host)
    files = {file for one in kept for placed in one.services.values() for file in placed.files}
    for host in sorted(hosts):
        means.engine(host).swarm.clear(files)


def _tag(host: str, undertaking: Undertaking, means: Means) -> None:
    used = {
        placed.image
        for placed in (*undertaking.containers.values(), *undertaking.tasks.values())
        if placed.host == host
    }
    state = means.engine(host).observe()
    for name in sorted(used):
        image = undertaking.images[name]
        held = state.image_id(image)
        if held and not any(image.tag in other.tags for other in state.images if other.id == held):
            means.engine(host).tag(held, image.tag)


def _known_images(history: History) -> dict[Digest, Image]:
    return {image.config: image for receipt in history.receipts for image in receipt.undertaking.images.values()}


def _remove_images(host: str, known: dict[Digest, Image], kept: set[Digest], means: Means) -> None:
    engine = means.engine(host)
    state = engine.observe()
    for config, image in known.items():
        held = state.image_id(image)
        if config not in kept and held:
            engine.remove_image(held, [image.tag])
