"""The attestations of a release, made and kept in the store."""

from builder.attestations.bill import bill_of
from builder.attestations.provenance import provenance_of
from builder.attestations.scan import contents_of, contents_of_disk
from builder.gathering.surroundings import Gathered, Surroundings
from builder.language.evaluation import Evaluation
from builder.lock import Lock
from builder.sources.git import revision
from bundle_format.digest import Digest, digest_of
from bundle_format.progress import Progress
from bundle_format.release.model import Release


def attest(
    evaluation: Evaluation,
    release: Release,
    gathered: Gathered,
    surroundings: Surroundings,
    *,
    lock: Lock,
    issued: int,
    progress: Progress,
) -> dict[str, Digest]:
    """The digests of a release's bill of materials and provenance, by what they are; both are in the store.

    `lock` is what everything was resolved to, `issued` the release's date in seconds since 1970 UTC.
    """
    store, ledger = surroundings.store, surroundings.ledger
    definition = digest_of(release.to_json())
    with progress.task("reading what lies in the images"):
        contents = {name: contents_of(store, ledger, image.layers) for name, image in release.images.items()}
    disks = {name: contents_of_disk(ledger, image.disk) for name, image in release.machine_images.items()}
    bill = bill_of(release, definition, contents, disks, issued)
    provenance = provenance_of(evaluation, definition, lock, gathered, revision(surroundings.project.root))
    return {"sbom": store.add_bytes(bill).digest, "provenance": store.add_bytes(provenance).digest}
