"""Every artifact of an evaluation as one exact thing: what the lock pins, and for the rest what it means now."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from builder.gathering.outside import Outside
from builder.gathering.surroundings import Surroundings
from builder.images.building import LENT
from builder.language.evaluation import ArtifactRecipe, Build, Command, Download, Evaluation, FromEngine, Maven, Pull
from builder.layers.artifact import Artifact
from builder.lock import FILE, Lock, LockedArtifact, LockedFile, LockedHeld, LockedImage
from builder.project import hash_file
from builder.sources.dockerfile import bases_in
from builder.sources.download import download, file_name
from builder.sources.git import commit_of
from builder.sources.registry import RemoteImage, parse_reference
from builder.web.client import NotThereError
from builder.web.coordinates import Coordinates, parse_coordinates
from builder.work.schedule import Off, Schedule
from bundle_format.digest import Digest
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress
from bundle_format.release.model import File

THREADS = 8
"""Questions asked at once: nearly all of their time is waiting."""


class Question(NamedTuple):
    """One thing to be resolved: an `image` or a `base` at a registry, one `held` by the engine, or an `artifact`."""

    kind: str
    name: str
    platform: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What everything is: images of registries by reference and platform, images of the engine by reference.

    `artifacts` are those of repositories and addresses, in the store already; `commits` those of other repositories;
    `bases` the images outside the release that each image's Dockerfile takes from.
    """

    remote: dict[tuple[str, str], RemoteImage] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    bases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    locked: dict[str, LockedArtifact] = field(default_factory=dict)


def resolve(
    evaluation: Evaluation,
    surroundings: Surroundings,
    outside: Outside,
    progress: Progress,
    *,
    lock: Lock,
    upgrade: Collection[str] = (),
) -> Resolution:
    """Ask registries, repositories and the engine for what `lock` does not pin, or pins but is to be upgraded.

    `upgrade` are names of images or artifacts as the definition has them, or references; DefinitionError for one that
    is neither, and for all that cannot be had.
    """
    bases = _bases(evaluation, surroundings)
    asked_by = _questions(evaluation, bases)
    known = {*evaluation.images, *evaluation.artifacts, *(question.name for question in asked_by)}
    if unknown := sorted(set(upgrade) - known):
        raise DefinitionError(f"nothing is called {unknown[0]}", f"There is: {', '.join(sorted(known))}.")
    resolution, off = Resolution(bases=bases), Off()
    asking = _Asking(
        evaluation, asked_by, lock, frozenset(upgrade), surroundings, outside, off.heard_by(progress), resolution
    )
    Schedule(dict.fromkeys(asked_by, ()), lambda _: None).run(asking.ask, THREADS, off)
    return resolution


def lock_of(evaluation: Evaluation, resolution: Resolution, surroundings: Surroundings) -> Lock:
    """Everything that was resolved, as it is pinned."""
    return Lock(
        images={
            f"{reference} {platform}": LockedImage(manifest=image.manifest)
            for (reference, platform), image in resolution.remote.items()
        },
        engine={reference: LockedHeld(id=id_) for reference, id_ in resolution.held.items()},
        artifacts=resolution.locked,
        files={path: hash_file(surroundings.project.file(path)) for path in evaluation.files},
    )


def _bases(evaluation: Evaluation, surroundings: Surroundings) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, recipe in evaluation.images.items():
        if isinstance(recipe, Build):
            lent = {argument: f"{LENT}:{base}" for argument, base in recipe.bases.items()}
            with _about(f"image {name} ({recipe.context}/{recipe.dockerfile})"):
                bases = bases_in(surroundings.project, recipe, {**recipe.arguments, **lent})
            found[name] = tuple(image for image in bases.images if not image.startswith(LENT))
    return found


def _questions(evaluation: Evaluation, bases: Mapping[str, Sequence[str]]) -> dict[Question, list[str]]:
    """What is to be resolved, and which artifacts or images of the definition ask for it."""
    asked_by: dict[Question, list[str]] = defaultdict(list)
    for name, artifact in evaluation.artifacts.items():
        if not isinstance(artifact, Command) or artifact.repository:
            asked_by[Question("artifact", name)].append(f"artifact {name}")
    for name, recipe in evaluation.images.items():
        match recipe:
            case Pull():
                asked_by[Question("image", recipe.reference, recipe.platform)].append(f"image {name}")
            case FromEngine():
                asked_by[Question("held", recipe.reference)].append(f"image {name}")
            case Build():
                for base in bases[name]:
                    asked_by[Question("base", base, recipe.platform)].append(f"image {name}")
    return asked_by


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Let errors say of what they are."""
    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(f"{what}: {error.message}", error.hint) from error


@contextmanager
def _as_pinned(name: str) -> Iterator[None]:
    """Let errors about what is nowhere any more say that the lock asks for it, and how it is pinned anew."""
    try:
        yield
    except NotThereError as error:
        raise DefinitionError(
            f"{error.message}; {FILE} pins {name} to it", f"If it is gone for good: floto-builder lock --upgrade {name}"
        ) from error


@dataclass(frozen=True, slots=True)
class _Asking:
    evaluation: Evaluation
    asked_by: Mapping[Question, Sequence[str]]
    lock: Lock
    upgrade: frozenset[str]
    surroundings: Surroundings
    outside: Outside
    progress: Progress
    resolution: Resolution

    def ask(self, questions: Sequence[Question]) -> None:
        """Answer one question."""
        (question,) = questions
        with _about(", ".join(self.asked_by[question])):
            match question.kind:
                case "image":
                    self._image(question)
                case "base":
                    self._base(question)
                case "held":
                    self._held(question)
                case _:
                    self._artifact(question.name)

    def _image(self, question: Question) -> None:
        pin = self.lock.images.get(f"{question.name} {question.platform}")
        pinned = pin.manifest if pin and not self._to_upgrade(question.name) else None
        reference = parse_reference(question.name)
        with _as_pinned(question.name) if pinned else nullcontext():
            image = self.outside.registries.resolve(reference, question.platform, pinned)
        self.resolution.remote[question.name, question.platform] = image

    def _base(self, question: Question) -> None:
        """As docker does: an image that the engine has by that name, else that of the registry."""
        remote = f"{question.name} {question.platform}" in self.lock.images
        if remote or not self._held(question):
            self._image(question)

    def _held(self, question: Question) -> bool:
        pin = self.lock.engine.get(question.name)
        if pin and not self._to_upgrade(question.name):
            self.resolution.held[question.name] = pin.id
            return True
        held = self.outside.engine.find(question.name)
        if held is not None:
            self.resolution.held[question.name] = held.id
        elif question.kind == "held":
            raise DefinitionError(f"the engine has no image {question.name}", "Build, load or pull it there first.")
        return held is not None

    def _to_upgrade(self, reference: str) -> bool:
        """Whether the reference itself, or an image that comes from it, is to be upgraded."""
        names = {
            name
            for name, recipe in self.evaluation.images.items()
            if isinstance(recipe, Pull | FromEngine) and recipe.reference == reference
        }
        return not self.upgrade.isdisjoint({reference, *names})

    def _artifact(self, name: str) -> None:
        recipe = self.evaluation.artifacts[name]
        key = _locked_name(name, recipe)
        pin = self.lock.artifacts.get(key) if name not in self.upgrade else None
        match recipe:
            case Maven():
                locked = self._maven(name, recipe, pin)
            case Download():
                locked = self._download(recipe, pin)
            case Command():
                commit = pin.commit if pin and pin.commit else self._commit(recipe)
                self.resolution.commits[name] = commit
                self.resolution.locked[key] = LockedArtifact(commit=commit)
                return
        files = {file: File(digest=one.digest, size=one.size) for file, one in locked.files.items()}
        folder = isinstance(recipe, Maven) and recipe.transitive
        self.resolution.artifacts[name] = Artifact(files, folder)
        self.resolution.locked[key] = locked

    def _maven(self, name: str, recipe: Maven, pin: LockedArtifact | None) -> LockedArtifact:
        wanted = Coordinates(recipe.group, recipe.artifact, recipe.version, recipe.type, recipe.classifier or "")
        if pin and _still_means(pin, wanted, recipe.sha256):
            with _as_pinned(name):
                return LockedArtifact(files={file: self._locked(one) for file, one in pin.files.items()})
        expected = Digest(f"sha256:{recipe.sha256}") if recipe.sha256 else None
        files: dict[str, LockedFile] = {}
        for one in self._closure(wanted) if recipe.transitive else [wanted]:
            fetched = self.outside.maven.fetch(
                one, expected if one == wanted else None, self.progress, said_by="the definition"
            )
            # Two groups may each have an artifact of that name.
            file = one.file_name() if one.file_name() not in files else f"{one.group}.{one.file_name()}"
            files[file] = LockedFile(source=str(fetched.exact), digest=fetched.file.digest, size=fetched.file.size)
        return LockedArtifact(files=files)

    def _locked(self, pin: LockedFile) -> LockedFile:
        """What is pinned, in the store, and of the size that it has there."""
        fetched = self.outside.maven.fetch(parse_coordinates(pin.source), pin.digest, self.progress, said_by=FILE)
        return pin.model_copy(update={"size": fetched.file.size})

    def _closure(self, wanted: Coordinates) -> list[Coordinates]:
        """What an artifact needs at run time; of a release that is asked once, for it cannot change."""
        key = [str(wanted), *(repository.url for repository in self.outside.maven.repositories)]
        known = None if wanted.is_snapshot else self.surroundings.ledger.recall("closure", key)
        if known is None:
            with (
                self.progress.task(f"asking Maven for the dependencies of {wanted}") as task,
                self.surroundings.log(f"closure {wanted}", task) as log,
            ):
                known = [str(one) for one in self.outside.maven_program.closure(wanted, log, task)]
            self.surroundings.ledger.remember("closure", key, value=known)
        return [parse_coordinates(one) for one in known]

    def _download(self, recipe: Download, pin: LockedArtifact | None) -> LockedArtifact:
        name = file_name(recipe.url)
        expected, said_by = Digest(f"sha256:{recipe.sha256}") if recipe.sha256 else None, "the definition"
        pinned = pin.files.get(name) if pin else None
        if pinned and pinned.source == recipe.url and expected in (None, pinned.digest):
            expected, said_by = pinned.digest, FILE
        web, store = self.outside.web, self.surroundings.store
        file = download(recipe.url, expected, web, store, self.progress, said_by=said_by)
        return LockedArtifact(files={name: LockedFile(source=recipe.url, digest=file.digest, size=file.size)})

    def _commit(self, recipe: Command) -> str:
        assert recipe.repository
        root, env = self.surroundings.project.root, self.surroundings.env
        return commit_of(recipe.repository, recipe.revision or "HEAD", root, env)


def _locked_name(name: str, recipe: ArtifactRecipe) -> str:
    return f"{name} and its dependencies" if isinstance(recipe, Maven) and recipe.transitive else name


def _still_means(pin: LockedArtifact, wanted: Coordinates, sha256: str | None) -> bool:
    """Whether a pin is for what the definition asks now: the same kind of file, and no other digest."""
    pinned = pin.files.get(wanted.file_name())
    if pinned is None:
        return False
    exact = parse_coordinates(pinned.source)
    same = (exact.type, exact.classifier, exact.base_version) == (wanted.type, wanted.classifier, wanted.base_version)
    return same and sha256 in (None, pinned.digest.removeprefix("sha256:"))
