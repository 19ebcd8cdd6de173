"""What has to be gathered before what."""

from collections.abc import Iterable
from typing import NamedTuple

from builder.language.evaluation import (
    ArtifactFile,
    Assemble,
    Build,
    Command,
    Content,
    Disk,
    Evaluation,
    FromEngine,
    ImageRecipe,
    MachineImageRecipe,
    Packer,
    Pull,
)
from builder.resolve import Resolution


class Wanted(NamedTuple):
    """One thing to gather: a `file`, an `artifact`, an `image`, a `machine` image, or a `remote` image with `layer`s.

    A remote image is named by its reference; `platform` goes with it.
    """

    kind: str
    name: str
    platform: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def needs_of(evaluation: Evaluation, resolution: Resolution) -> dict[Wanted, list[Wanted]]:
    """Everything that is wanted, each with what it needs."""
    needs = {Wanted("file", path): list[Wanted]() for path in (*evaluation.sources, *evaluation.files)}
    for name, artifact in evaluation.artifacts.items():
        if isinstance(artifact, Command):
            needs[Wanted("artifact", name)] = []
    for (reference, platform), remote in resolution.remote.items():
        layers = [Wanted("layer", layer.diff_id) for layer in remote.layers]
        needs |= {layer: [] for layer in layers}
        needs[Wanted("remote", reference, platform)] = layers
    for name, recipe in evaluation.images.items():
        found = [*_made(evaluation, _contents(recipe)), *_stood_upon(recipe)]
        if isinstance(recipe, Build):
            bases = (base for base in resolution.bases[name] if base not in resolution.held)
            found.extend(Wanted("remote", base, recipe.platform) for base in bases)
        needs[Wanted("image", name)] = found
    for name, machine_image in evaluation.machine_images.items():
        needs[Wanted("machine", name)] = list(_made(evaluation, _contents(machine_image)))
    return needs


def for_engine(evaluation: Evaluation, wanted: Wanted) -> bool:
    """Whether it takes an engine to gather it."""
    return wanted.kind == "image" and isinstance(evaluation.images[wanted.name], FromEngine | Build)


def _made(evaluation: Evaluation, contents: Iterable[Content]) -> Iterable[Wanted]:
    """The artifacts among `contents` that are made here."""
    for content in contents:
        if isinstance(content, ArtifactFile) and isinstance(evaluation.artifacts[content.name], Command):
            yield Wanted("artifact", content.name)


def _contents(recipe: ImageRecipe | MachineImageRecipe) -> Iterable[Content]:
    match recipe:
        case Build() | Packer():
            return (placed.content for placed in recipe.files)
        case Assemble():
            return (placed.content for layer in recipe.layers for placed in layer)
        case Disk():
            return (recipe.content,)
    return ()


def _stood_upon(recipe: ImageRecipe) -> Iterable[Wanted]:
    match recipe:
        case Build():
            return [Wanted("image", base) for base in recipe.bases.values()]
        case Assemble(base=str(base)):
            return [Wanted("image", base)]
        case Pull():
            return [Wanted("remote", recipe.reference, recipe.platform)]
    return []
