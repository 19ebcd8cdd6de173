"""Images that an engine holds or builds: looked up or built one by one, then saved together in one stream."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from builder.gathering.surroundings import Gathered, Surroundings
from builder.images.building import Held, lent_name
from builder.images.contents import Contents
from builder.images.oci import image_of
from builder.images.settled import settle
from builder.language.evaluation import Build, FromEngine
from builder.sources.dockerfile import Context, build_image, read_context
from builder.sources.engine import Engine
from bundle_format.canonical import canonical, digest_of_value
from bundle_format.digest import Digest
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress
from bundle_format.release.model import Image
from bundle_format.shown.sizes import size_text


@dataclass(frozen=True, slots=True)
class _Pending:
    """An image that is in the engine and not yet in the store; `finish` takes its configuration once it is there."""

    id: str
    how: str
    finish: Callable[[Digest], Image]


class EngineImages:
    """Gathers what needs an engine, which is reached only when something is not in the store already."""

    def __init__(self, surroundings: Surroundings, gathered: Gathered, contents: Contents) -> None:
        self._surroundings = surroundings
        self._gathered = gathered
        self._contents = contents
        self._open = ExitStack()
        self._engine: Engine | None = None

    def __enter__(self) -> "EngineImages":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def gather(self, recipes: Mapping[str, FromEngine | Build], progress: Progress) -> None:
        """Bring these images into the store; what their builds stand on is gathered already."""
        pending: dict[str, _Pending] = {}
        for name, recipe in recipes.items():
            found = self._held(name, recipe) if isinstance(recipe, FromEngine) else self._built(name, recipe, progress)
            if isinstance(found, Image):
                self._keep(name, found, "reused", progress)
            else:
                pending[name] = found
        if not pending:
            return
        ids = dict.fromkeys(one.id for one in pending.values())
        configs = self.engine.save(list(ids), self._surroundings.store, progress)
        for name, one in pending.items():
            self._keep(name, one.finish(configs[one.id]), one.how, progress)

    @property
    def engine(self) -> Engine:
        """The engine, once it is needed."""
        if self._engine is None:
            self._engine = self._open.enter_context(Engine(self._surroundings.engine))
        return self._engine

    def _keep(self, name: str, image: Image, how: str, progress: Progress) -> None:
        self._gathered.images[name] = image
        progress.note(f"image {name}: {size_text(image.size)}, {how}")

    def _held(self, name: str, recipe: FromEngine) -> Image | _Pending:
        store, ledger = self._surroundings.store, self._surroundings.ledger
        held = self.engine.find(recipe.reference)
        if held is None:
            raise DefinitionError(
                f"image {name}: the engine has no {recipe.reference}", "Build, load or pull it there first."
            )
        source = {"kind": "engine", "reference": recipe.reference, "id": held.id}

        def finish(config: Digest) -> Image:
            ledger.remember("held", held.id, value=config)
            return image_of(store, store.read_bytes(config), recipe.tag, source)

        config = ledger.recall("held", held.id)
        if config is not None and all(digest in store for digest in (config, *held.layers)):
            return finish(config)
        return _Pending(held.id, "from the engine", finish)

    def _built(self, name: str, recipe: Build, progress: Progress) -> Image | _Pending:
        surroundings, tag = self._surroundings, recipe.tag
        lent = {argument: self._gathered.images[base] for argument, base in recipe.bases.items()}
        context = self._context(recipe, lent)
        key = context.key(Engine.kind, self._ids(name, context, lent), surroundings.epoch)
        if image := self._remembered(key, tag):
            return image
        for base in lent.values():
            self.engine.lend(base, surroundings.store)
        held = self._build(name, context, progress)
        base_layers = self._shared(context, lent, held)
        source = {"kind": "build", "key": digest_of_value(key)}

        def finish(config: Digest) -> Image:
            store, ledger, epoch = surroundings.store, surroundings.ledger, surroundings.epoch
            image = settle(store, ledger, config, base_layers=base_layers, epoch=epoch, tag=tag, source=source)
            ledger.remember("built", key, value=image.model_dump(mode="json"))
            return image

        return _Pending(held.id, "built", finish)

    def _context(self, recipe: Build, lent: Mapping[str, Image]) -> Context:
        arguments = {
            "SOURCE_DATE_EPOCH": str(self._surroundings.epoch),
            **recipe.arguments,
            **{argument: lent_name(image.config) for argument, image in lent.items()},
        }
        return read_context(self._surroundings.project, recipe, self._contents.entries(recipe.files), arguments)

    def _ids(self, name: str, context: Context, lent: Mapping[str, Image]) -> dict[str, str]:
        """What names each image that a Dockerfile takes from by its content."""
        ids: dict[str, str] = {lent_name(image.config): image.config for image in lent.values()}
        for reference in context.bases.images:
            if reference not in ids:
                held = self.engine.find(reference)
                if held is None:
                    raise DefinitionError(
                        f"image {name} takes from {reference}, which the engine has not",
                        "Pull it there, or make it an image of the release and pass it as a build argument.",
                    )
                ids[reference] = held.id
        return ids

    def _remembered(self, key: Mapping[str, Any], tag: str) -> Image | None:
        known = self._surroundings.ledger.recall("built", key)
        if known is None:
            return None
        image = Image.model_validate_json(canonical({**known, "tag": tag}))
        return image if self._surroundings.has_image(image) else None

    def _build(self, name: str, context: Context, progress: Progress) -> Held:
        epoch = self._surroundings.epoch
        with progress.task(f"building image {name}") as task, self._surroundings.log(f"image {name}", task) as log:
            try:
                return build_image(context, {}, epoch, self.engine, log)
            except DefinitionError as error:
                raise DefinitionError(f"image {name}: {error.message}", error.hint) from error

    def _shared(self, context: Context, lent: Mapping[str, Image], built: Held) -> int:
        """How many of an image's layers are those of its base, which keep their times."""
        root = context.bases.root
        if root is None:
            return 0
        layers = {lent_name(image.config): image.layers for image in lent.values()}
        held = None if root in layers else self.engine.find(root)
        base = held.layers if held else layers.get(root, ())
        return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(base, built.layers, strict=False))))
