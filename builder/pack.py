"""From an evaluation and what was gathered for it to the resolved release, and from that to a signed bundle."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from builder.delta import Baseline, as_delta
from builder.gathering.surroundings import Gathered
from builder.language.evaluation import Evaluation
from builder.roots import Chain
from bundle_format.durable import whole_file
from bundle_format.errors import DefinitionError, RefusedError
from bundle_format.layout.index import Base
from bundle_format.progress import Progress
from bundle_format.release.model import File, Release
from bundle_format.store import Store
from bundle_format.trust.roots import check_still_counts
from bundle_format.trust.signing import Signer
from bundle_format.writer import Carried, Draft, Heading, Written, carry, draft_bundle, types_in


@dataclass(frozen=True, slots=True)
class Makers:
    """Who vouches for a bundle: the product's root documents so far, and the keys that sign, by their files."""

    chain: Chain
    signers: Mapping[Path, Signer]

    def check(self, product: str, channel: str) -> None:
        """DefinitionError unless these keys may sign releases of that product on that channel."""
        root = self.chain.newest
        if root.product != product:
            raise DefinitionError(
                f"the keys are those of {root.product!r}, not of {product!r}", "Name the right --key."
            )
        if channel not in root.channels:
            raise DefinitionError(
                f"{product} has no channel {channel!r}", f"It has: {', '.join(sorted(root.channels))}."
            )
        allowed = {key.key_id for key in root.role_keys("release").values()}
        for file, signer in self.signers.items():
            if signer.public.key_id not in allowed:
                raise DefinitionError(
                    f"{file} is none of the keys that sign releases of {product}: {', '.join(root.roles.release.keys)}",
                    "Use one of them, or let the owners name the new key: floto-builder root",
                )

    def check_still_counts(self, draft: Draft) -> None:
        """DefinitionError where the makers have revoked the very bundle before, or withdrawn its sequence."""
        index = draft.head.index
        try:
            check_still_counts(self.chain.newest, index.channel, index.sequence, draft.page.index_digest)
        except RefusedError as error:
            raise DefinitionError(
                f"no site would take it: {error.message}", "Change the release, or say another --sequence."
            ) from error


def pack(
    path: Path,
    release: Release,
    store: Store,
    *,
    heading: Heading,
    makers: Makers,
    baseline: Baseline | None,
    progress: Progress,
) -> Written:
    """Write the signed bundle of `release`, for any site or for those that hold `baseline`; whole or not at all."""
    # Kept for later: a delta for a site that has this release compares with it.
    store.add_bytes(release.to_json())
    kinds = {digest: what for what, digest in heading.attestations.items()} | types_in(release)
    carried = [carry(store, digest, kind) for digest, kind in kinds.items()]
    with _told(release, carried, baseline, store, progress) as (told, bases):
        draft = draft_bundle(release, told, replace(heading, bases=bases), makers.chain.to_sections())
        draft = draft.signed(signer.sign(draft.page.message) for signer in makers.signers.values())
        makers.check_still_counts(draft)
        with whole_file(path) as stream:
            draft.write(stream, progress)
    return Written(path, draft.page.total, draft.page.index_digest)


def _told(
    release: Release, carried: list[Carried], baseline: Baseline | None, store: Store, progress: Progress
) -> AbstractContextManager[tuple[list[Carried], tuple[Base, ...]]]:
    if baseline is None:
        return nullcontext((carried, ()))
    return as_delta(release, carried, baseline, store, progress)


def release_of(evaluation: Evaluation, gathered: Gathered) -> Release:
    """The release as a bundle carries it: what the definition says, with everything in it named by content.

    Images that no container runs were only stood upon, and stay at home.
    """
    files: dict[str, File] = {path: gathered.files[path] for path in evaluation.files}
    files |= {name: gathered.artifacts[name].only for name in evaluation.carried}
    return Release(
        product=evaluation.product,
        version=evaluation.version,
        doc=evaluation.doc,
        evaluator=evaluation.evaluator,
        sources=evaluation.sources,
        parameters=evaluation.parameters,
        choices=evaluation.choices,
        rules=evaluation.rules,
        images={name: gathered.images[name] for name in sorted(set(_images_run(evaluation)))},
        machine_images={name: gathered.machine_images[name] for name in sorted(gathered.machine_images)},
        files=files,
        variants=evaluation.variants,
    )


def _images_run(evaluation: Evaluation) -> Iterator[str]:
    for variant in evaluation.variants:
        yield from (tree["image"] for tree in variant.objects.get("container", {}).values())
        yield from (tree["container"]["image"] for tree in variant.objects.get("task", {}).values())
        yield from (tree["image"] for tree in variant.objects.get("service", {}).values())
