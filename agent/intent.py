"""What a person wants of the site: a deployment, where it comes from, and which blobs it takes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.history import Source
from agent.stage import read_blob, require, stage
from bundle_format.digest import Digest, digest_of
from bundle_format.errors import DamageError, MissingError
from bundle_format.progress import Progress
from bundle_format.reader import Bundle
from bundle_format.release.deployment import Deployment
from bundle_format.release.late import names
from bundle_format.release.model import File, Image, Release, release_from_json
from bundle_format.site.bind import bind
from bundle_format.site.secret import Ask, read_secrets
from bundle_format.site.sitefile import Site, read_site, site_content, variant_of
from bundle_format.store import Store


@dataclass(frozen=True, slots=True)
class Keeper:
    """Where a site keeps what binding needs: its key and its secrets; `ask` is None where nobody is there."""

    key: bytes = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    ask: Ask | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A deployment with its source; `secrets` are what must not be told; `missing` are bytes that staging writes."""

    deployment: Deployment
    source: Source
    secrets: tuple[str, ...] = field(repr=False)
    stage: Callable[[Progress], None]
    sizes: Mapping[Digest, int]
    missing: int


def from_bundle(bundle: Bundle, site_file: Path, store: Store, keeper: Keeper) -> Intent:
    """The release of a bundle, bound to the site; ParameterError with every fault, MissingError for a delta's base."""
    release, index = bundle.release, bundle.index
    content = site_content(site_file)
    site = read_site(content, site_file, release)
    try:
        deployment, secrets = _bound(release, site, keeper, lambda file: read_blob(bundle, store, file.digest))
    except MissingError:
        # Everything that is lacking is told, not just the file that was wanted first.
        require(bundle, store, blobs_of(release.images.values(), release))
        raise
    wanted = {index.definition, *blobs_of(deployment.images.values(), release)}
    require(bundle, store, wanted)

    def bring(progress: Progress) -> None:
        stage(bundle, store, wanted, progress)
        store.add_bytes(content)

    lacked = [entry for digest, entry in bundle.entries.items() if digest in wanted and digest not in store]
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
        missing=sum(
            frame.stored for entry in lacked for frame in bundle.table[entry.first : entry.first + entry.frames]
        ),
    )


def from_store(source: Source, store: Store, keeper: Keeper) -> Intent:
    """A release that this site has run, bound by the site's file as it was then; its secrets are read anew."""
    release = _release_in(store, source.release)
    path = Path(source.folder) / "site.toml"
    site = read_site(store.read_bytes(source.site_file), path, release)
    deployment, secrets = _bound(release, site, keeper, lambda file: store.read_bytes(file.digest))
    sizes = {digest: store.size(digest) for digest in blobs_of(deployment.images.values(), release)}
    return Intent(deployment, source, secrets, lambda _: None, sizes, 0)


def blobs_of(images: Iterable[Image], release: Release) -> set[Digest]:
    """The blobs that a deployment with these images of a release is made of, without the release itself."""
    layers = {digest for image in images for digest in (image.config, image.manifest, *image.layers)}
    return layers | {file.digest for file in release.files.values()}


def _bound(
    release: Release, site: Site, keeper: Keeper, files: Callable[[File], bytes]
) -> tuple[Deployment, tuple[str, ...]]:
    wanted = names(variant_of(release, site.choices).objects)
    secrets = read_secrets(site, release.parameters, wanted, keeper.environment, keeper.ask)
    return bind(release, site, secrets, keeper.key, files), tuple(secrets.values())


def _release_in(store: Store, digest: Digest) -> Release:
    try:
        return release_from_json(store.read_bytes(digest))
    except ValueError as error:
        raise DamageError(f"the release {digest} in the site's store cannot be read: {error}") from error
