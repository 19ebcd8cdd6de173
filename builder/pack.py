"""From an evaluation and what was gathered for it to the resolved release."""

from collections.abc import Iterator

from builder.gathering.surroundings import Gathered
from builder.language.evaluation import Evaluation
from bundle_format.release.model import File, Release


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
        files=files,
        variants=evaluation.variants,
    )


def _images_run(evaluation: Evaluation) -> Iterator[str]:
    for variant in evaluation.variants:
        yield from (tree["image"] for tree in variant.objects.get("container", {}).values())
        yield from (tree["container"]["image"] for tree in variant.objects.get("task", {}).values())
