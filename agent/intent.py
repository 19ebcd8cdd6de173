"""What a person wants of the site: a deployment, where it comes from, and which blobs it takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.history import Source
from agent.machines.materials import Workshop
from agent.stage import read_blob, require, stage
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import DamageError, MissingError
from bundle_format.progress import Progress
from bundle_format.reader import Bundle
from bundle_format.release.deployment import Deployment, Host
from bundle_format.release.late import names
from bundle_format.release.model import File, Image, MachineImage, Release, release_from_json
from bundle_format.site.bind import bind
from bundle_format.site.hypervisors import AnyAccess, HypervisorAccess
from bundle_format.site.secret import Ask, read_secrets
from bundle_format.site.sitefile import Site, read_site, site_content, variant_of
from bundle_format.store import Store


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where a site keeps what binding needs: its key, its secrets, and how it reaches the machines that it makes.

    `ask` is None where nobody is there.
    """

    key: bytes = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    ask: Ask | None = None
    workshop: Workshop | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A deployment with its source; `secrets` are what must not be told; `missing` are bytes that staging writes.

    `packed` are the bytes that disks take at least once they are packed beside the store, as an ESX takes them.
    """

    deployment: Deployment
    source: Source
    secrets: tuple[str, ...] = field(repr=False)
    stage: Callable[[Progress], None]
    sizes: Mapping[Digest, int]
    missing: int
    keeper: Keeper
    hypervisors: Mapping[str, AnyAccess] = field(default_factory=dict)
    packed: Mapping[Digest, int] = field(default_factory=dict)


def from_bundle(bundle: Bundle, site_file: Path, store: Store, keeper: Keeper) -> Intent:
    """The release of a bundle, bound to the site; ParameterError with every fault, MissingError for a delta's base."""
    release, index = bundle.release, bundle.index
    content = site_content(site_file)
    site = read_site(content, site_file, release)
    try:
        deployment, secrets = _bound(release, site, keeper, lambda file: read_blob(bundle, store, file.digest))
    except MissingError:
        # Everything that is lacking is told, not just the file that was wanted first.
        require(bundle, store, blobs_of(release, release.images.values(), release.machine_images.values()))
        raise
    wanted = {index.definition, *_blobs_of(release, deployment)}
    require(bundle, store, wanted)

    def bring(progress: Progress) -> None:
        stage(bundle, store, wanted, progress)
        store.add_bytes(content)

    def stored(digest: Digest) -> int:
        entry = bundle.entries[digest]
        return sum(frame.stored for frame in bundle.table[entry.first : entry.first + entry.frames])

    lacked = [digest for digest in bundle.entries if digest in wanted and digest not in store]
    return Intent(
        deployment=deployment,
        source=Source(
            product=index.product,
            site=site.name,
            version=release.version,
            release=index.definition,
            site_file=digest_of(content),
            folder=str(site_file.parent.absolute()),
            index=bundle.page.index_digest,
            channel=index.channel,
            sequence=index.sequence,
            issued=index.issued,
            signers=bundle.signers.names,
        ),
        secrets=secrets,
        stage=bring,
        sizes={digest: entry.size for digest, entry in bundle.entries.items()},
        missing=sum(map(stored, lacked)),
        keeper=keeper,
        hypervisors=site.hypervisors,
        packed={disk: stored(disk) for disk in _to_be_packed(deployment, site) if disk in bundle.entries},
    )


def from_store(source: Source, store: Store, keeper: Keeper) -> Intent:
    """A release that this site has run, bound by the site's file as it was then; its secrets are read anew."""
    release = _release_in(store, source.release)
    path = Path(source.folder) / "site.toml"
    site = read_site(store.read_bytes(source.site_file), path, release)
    deployment, secrets = _bound(release, site, keeper, lambda file: store.read_bytes(file.digest))
    sizes = {digest: store.size(digest) for digest in _blobs_of(release, deployment)}
    packed = {disk: _stored(store, disk) for disk in _to_be_packed(deployment, site)}
    return Intent(deployment, source, secrets, lambda _: None, sizes, 0, keeper, site.hypervisors, packed)


def blobs_of(release: Release, images: Iterable[Image], machine_images: Iterable[MachineImage]) -> set[Digest]:
    """The blobs that a deployment with these images of a release is made of, without the release itself."""
    layers = {digest for image in images for digest in (image.config, image.manifest, *image.layers)}
    disks = {image.disk for image in machine_images}
    return layers | disks | {file.digest for file in release.files.values()}


def _to_be_packed(deployment: Deployment, site: Site) -> set[Digest]:
    """The disks of machines that an ESX gets."""
    machines = [host.machine for host in deployment.hosts.values() if host.machine]
    accesses = ((machine, site.hypervisors.get(machine.hypervisor)) for machine in machines)
    return {
        deployment.machine_images[machine.image].disk
        for machine, access in accesses
        if isinstance(access, HypervisorAccess)
    }


def _stored(store: Store, digest: Digest) -> int:
    with store.blob(digest) as blob:
        return sum(frame.stored for frame in blob.frames)


def _blobs_of(release: Release, deployment: Deployment) -> set[Digest]:
    return blobs_of(release, deployment.images.values(), deployment.machine_images.values())


def _bound(
    release: Release, site: Site, keeper: Keeper, files: Callable[[File], bytes]
) -> tuple[Deployment, tuple[str, ...]]:
    wanted = names(variant_of(release, site.choices).objects)
    secrets = read_secrets(site, release.parameters, wanted, keeper.environment, keeper.ask)
    deployment = bind(release, site, secrets, keeper.key, files)
    hosts = {name: _made(host, site, keeper) for name, host in deployment.hosts.items()}
    machines = [host.machine for host in hosts.values() if host.machine]
    used = {machine.image for machine in machines if machine.hypervisor in site.hypervisors}
    images = {name: image for name, image in deployment.machine_images.items() if name in used}
    return deployment.model_copy(update={"hosts": hosts, "machine_images": images}), tuple(secrets.values())


def _made(host: Host, site: Site, keeper: Keeper) -> Host:
    """A host as it is reached: a machine that the agent makes gets the means for it from the site itself."""
    if host.access is not None or host.machine is None or host.machine.hypervisor not in site.hypervisors:
        return host
    return host.model_copy(update={"access": keeper.workshop.access(host) if keeper.workshop else None})


def _release_in(store: Store, digest: Digest) -> Release:
    try:
        return release_from_json(store.read_bytes(digest))
    except ValueError as error:
        raise DamageError(f"the release {digest} in the site's store cannot be read: {error}") from error
