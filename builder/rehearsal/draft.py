"""A release as far as it is known before anything is built: images and artifacts have names, and no bytes yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.language.evaluation import Evaluation
from builder.project import Project, hash_file
from bundle_format.digest import Digest, digest_of
from bundle_format.release.model import File, Image, Release

UNBUILT: Final = digest_of(b"")
"""Stands for the digest of what is not built."""


@dataclass(frozen=True)
class Draft:
    """A release without its bytes, and the project's own files that it would carry."""

    release: Release
    places: Mapping[Digest, Path]

    def open(self, file: File) -> bytes:
        """A file of the release; an artifact is empty as long as it is not fetched."""
        return b"" if file.digest == UNBUILT else self.places[file.digest].read_bytes()


def draft(evaluation: Evaluation, project: Project) -> Draft:
    """What a build of `evaluation` would make; DefinitionError for a file that is not in the project."""
    places = {name: project.file(name) for name in evaluation.files}
    files = {name: File(digest=hash_file(place), size=place.stat().st_size) for name, place in places.items()}
    unbuilt = dict.fromkeys(evaluation.carried, File(digest=UNBUILT, size=0))
    release = Release(
        product=evaluation.product,
        version=evaluation.version,
        doc=evaluation.doc,
        evaluator=evaluation.evaluator,
        sources=evaluation.sources,
        parameters=evaluation.parameters,
        choices=evaluation.choices,
        rules=evaluation.rules,
        images={name: _unbuilt_image(recipe.tag) for name, recipe in evaluation.images.items()},
        files=files | unbuilt,
        variants=evaluation.variants,
    )
    return Draft(release, {files[name].digest: place for name, place in places.items()})


def _unbuilt_image(tag: str) -> Image:
    return Image(tag=tag, config=UNBUILT, manifest=UNBUILT, layers=(), size=0)
