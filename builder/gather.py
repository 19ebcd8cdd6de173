"""From an evaluation to blobs in the store: every file, artifact and image that a release is made of, each once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from builder.gathering.artifacts import gather_artifact
from builder.gathering.engine_images import EngineImages
from builder.gathering.surroundings import Gathered, Surroundings
from builder.images.archive import Archives
from builder.images.contents import Contents
from builder.language.evaluation import ArtifactFile, Assemble, Build, Evaluation, FromEngine, ImageRecipe, Placed
from builder.schedule import Off, Schedule
from builder.sources.assemble import assemble
from builder.sources.files import keep_file
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress
from bundle_format.shown.sizes import size_text

THREADS = 6
"""Things gathered at once; most of them wait for a network or for an engine, and hashing has threads of its own."""


class Wanted(NamedTuple):
    """One thing to gather: `file`, `artifact` or `image`, and its name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def gather(evaluation: Evaluation, surroundings: Surroundings, progress: Progress) -> Gathered:
    """Bring everything that the release needs into the store.

    The errors of all that failed are raised as one; what is whole in the store stays there, so that the next attempt
    goes on from it.
    """
    gathered, off = Gathered(), Off()
    needs = _needs(evaluation)
    schedule = Schedule(needs, lambda wanted: "engine" if _by_engine(evaluation, wanted) else None)
    heeding = off.heard_by(progress)
    with Archives(surroundings.store, surroundings.ledger) as archives:
        contents = Contents(surroundings.project, gathered.artifacts, surroundings.store, archives)
        with EngineImages(surroundings, gathered, contents) as engine_images:
            gathering = _Gathering(evaluation, surroundings, gathered, contents, engine_images, heeding)
            schedule.run(gathering.work, THREADS, off)
    return gathered


@dataclass(frozen=True, slots=True)
class _Gathering:
    """Does each kind of work and keeps its outcome."""

    evaluation: Evaluation
    surroundings: Surroundings
    gathered: Gathered
    contents: Contents
    engine_images: EngineImages
    progress: Progress

    def work(self, wanted: Sequence[Wanted]) -> None:
        """Gather what is ready together: several images of the engine's, or one thing."""
        kind, name = wanted[0]
        if kind == "file":
            self.gathered.files[name] = keep_file(self.surroundings.project, name, self.surroundings.store)
        elif kind == "artifact":
            recipe = self.evaluation.artifacts[name]
            self.gathered.artifacts[name] = gather_artifact(name, recipe, self.surroundings, self.progress)
        else:
            self._images({one.name: self.evaluation.images[one.name] for one in wanted})

    def _images(self, recipes: dict[str, ImageRecipe]) -> None:
        for_engine = {name: recipe for name, recipe in recipes.items() if isinstance(recipe, FromEngine | Build)}
        if for_engine:
            self.engine_images.gather(for_engine, self.progress)
            return
        ((name, recipe),) = recipes.items()
        if not isinstance(recipe, Assemble):
            raise DefinitionError(f"image {name}: {recipe.kind} images cannot be gathered")
        self._assembled(name, recipe)

    def _assembled(self, name: str, recipe: Assemble) -> None:
        store, ledger = self.surroundings.store, self.surroundings.ledger
        base = self.gathered.images[recipe.base] if recipe.base else None
        try:
            image = assemble(recipe, base, self.contents.entries, store, ledger, epoch=self.surroundings.epoch)
        except DefinitionError as error:
            raise DefinitionError(f"image {name}: {error.message}", error.hint) from error
        self.gathered.images[name] = image
        how = "reused" if ledger.recall("assembled", image.config) else "assembled"
        ledger.remember("assembled", image.config, value=True)
        self.progress.note(f"image {name}: {size_text(image.size)}, {how}")


def _needs(evaluation: Evaluation) -> dict[Wanted, list[Wanted]]:
    needs = {Wanted("file", path): list[Wanted]() for path in (*evaluation.sources, *evaluation.files)}
    needs |= {Wanted("artifact", name): [] for name in evaluation.artifacts}
    for name, recipe in evaluation.images.items():
        needs[Wanted("image", name)] = [
            *_artifacts(_placed(recipe)),
            *(Wanted("image", base) for base in _bases(recipe)),
        ]
    return needs


def _placed(recipe: ImageRecipe) -> Iterable[Placed]:
    match recipe:
        case Build():
            return recipe.files
        case Assemble():
            return (placed for layer in recipe.layers for placed in layer)
    return ()


def _artifacts(placed: Iterable[Placed]) -> list[Wanted]:
    return [Wanted("artifact", one.content.name) for one in placed if isinstance(one.content, ArtifactFile)]


def _bases(recipe: ImageRecipe) -> Iterable[str]:
    match recipe:
        case Build():
            return recipe.bases.values()
        case Assemble(base=str(base)):
            return (base,)
    return ()


def _by_engine(evaluation: Evaluation, wanted: Wanted) -> bool:
    return wanted.kind == "image" and isinstance(evaluation.images[wanted.name], FromEngine | Build)
