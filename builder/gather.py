"""From an evaluation to blobs in the store: every file, artifact and image that a release is made of, each once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from builder.gathering.artifacts import gather_made
from builder.gathering.engine_images import EngineImages
from builder.gathering.graph import Wanted, for_engine, needs_of
from builder.gathering.machine_images import MachineImages
from builder.gathering.outside import Outside
from builder.gathering.surroundings import Gathered, Surroundings
from builder.images.oci import image_of
from builder.language.evaluation import Assemble, Build, Command, Evaluation, FromEngine, ImageRecipe, Pull
from builder.layers.archive import Archives
from builder.layers.contents import Contents
from builder.project import kept
from builder.resolve import Resolution
from builder.sources.assemble import assemble
from builder.sources.registry import RemoteLayer
from builder.work.schedule import Off, Schedule
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress
from bundle_format.shown.sizes import size_text

THREADS = 6
"""Things gathered at once; most of them wait for a network or for an engine, and hashing has threads of its own."""


def gather(
    evaluation: Evaluation, resolution: Resolution, surroundings: Surroundings, outside: Outside, progress: Progress
) -> Gathered:
    """Bring everything that the release needs into the store.

    The errors of all that failed are raised as one; what is whole in the store stays there, so that the next attempt
    goes on from it.
    """
    gathered, off = Gathered(artifacts=dict(resolution.artifacts)), Off()
    schedule = Schedule(
        needs_of(evaluation, resolution), lambda wanted: "engine" if for_engine(evaluation, wanted) else None
    )
    with Archives(surroundings.store, surroundings.ledger) as archives:
        contents = Contents(surroundings.project, gathered.artifacts, surroundings.store, archives)
        gathering = _Gathering(
            evaluation=evaluation,
            resolution=resolution,
            surroundings=surroundings,
            outside=outside,
            gathered=gathered,
            contents=contents,
            engine_images=EngineImages(surroundings, outside, resolution, gathered, contents),
            machine_images=MachineImages(surroundings, contents, gathered),
            layers={layer.diff_id: layer for remote in resolution.remote.values() for layer in remote.layers},
            progress=off.heard_by(progress),
        )
        schedule.run(gathering.work, THREADS, off)
    return gathered


@dataclass(frozen=True, slots=True)
class _Gathering:
    """Does each kind of work and keeps its outcome."""

    evaluation: Evaluation
    resolution: Resolution
    surroundings: Surroundings
    outside: Outside
    gathered: Gathered
    contents: Contents
    engine_images: EngineImages
    machine_images: MachineImages
    layers: Mapping[str, RemoteLayer]
    progress: Progress

    def work(self, wanted: Sequence[Wanted]) -> None:
        """Gather what is ready together: several images of the engine's, or one thing."""
        first, store = wanted[0], self.surroundings.store
        match first.kind:
            case "file":
                self.gathered.files[first.name] = kept(self.surroundings.project.file(first.name), store)
            case "artifact":
                self._made(first.name)
            case "layer":
                self.outside.registries.fetch(self.layers[first.name], self.progress)
            case "remote":
                self._remote(first)
            case "machine":
                self.machine_images.gather(first.name, self.evaluation.machine_images[first.name], self.progress)
            case _:
                self._images({one.name: self.evaluation.images[one.name] for one in wanted})

    def _made(self, name: str) -> None:
        recipe, commit = self.evaluation.artifacts[name], self.resolution.commits.get(name)
        assert isinstance(recipe, Command)
        self.gathered.artifacts[name] = gather_made(name, recipe, commit, self.surroundings, self.progress)

    def _remote(self, wanted: Wanted) -> None:
        """An image of a registry, once all its layers are there."""
        store, remote = self.surroundings.store, self.resolution.remote[wanted.name, wanted.platform]
        source = {"kind": "pull", "reference": str(remote.reference), "manifest": remote.manifest}
        image = image_of(store, store.read_bytes(remote.config), remote.reference.repository, source)
        self.gathered.remote[wanted.name, wanted.platform] = image

    def _images(self, recipes: Mapping[str, ImageRecipe]) -> None:
        of_engine = {name: recipe for name, recipe in recipes.items() if isinstance(recipe, FromEngine | Build)}
        if of_engine:
            self.engine_images.gather(of_engine, self.progress)
            return
        ((name, recipe),) = recipes.items()
        if isinstance(recipe, Pull):
            image = self.gathered.remote[recipe.reference, recipe.platform]
            self.gathered.images[name] = image.model_copy(update={"tag": recipe.tag})
            self._tell(name, "pulled")
        elif isinstance(recipe, Assemble):
            self._assembled(name, recipe)

    def _assembled(self, name: str, recipe: Assemble) -> None:
        store, ledger = self.surroundings.store, self.surroundings.ledger
        base = self.gathered.images[recipe.base] if recipe.base else None
        try:
            image = assemble(recipe, base, self.contents.entries, store, ledger, epoch=self.surroundings.epoch)
        except DefinitionError as error:
            raise DefinitionError(f"image {name}: {error.message}", error.hint) from error
        self.gathered.images[name] = image
        self._tell(name, "assembled")

    def _tell(self, name: str, how: str) -> None:
        """Say that an image is there: `how` it was made, or that nothing had to be done for it."""
        image, ledger = self.gathered.images[name], self.surroundings.ledger
        reused = ledger.recall("gathered", image.config)
        ledger.remember("gathered", image.config, value=True)
        self.progress.note(f"image {name}: {size_text(image.size)}, {'reused' if reused else how}")
