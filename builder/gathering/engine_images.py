"""Images that an engine holds or builds: looked up or built one by one, then saved together in one stream."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from builder.gathering.outside import Outside
from builder.gathering.surroundings import Gathered, Surroundings
from builder.images.building import Held, ImageBuilder, lent_name
from builder.images.oci import image_of, layers_of, read_config
from builder.images.settled import settle
from builder.language.evaluation import Build, FromEngine
from builder.layers.contents import Contents
from builder.resolve import Resolution
from builder.sources.buildkit import BuildKit
from builder.sources.dockerfile import Context, build_image, read_context
from builder.sources.engine import Engine
from builder.work.child import settled_environment
from bundle_format.canonical import canonical, digest_of_value
from bundle_format.digest import Digest
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress, Task
from bundle_format.release.model import Image
from bundle_format.shown.sizes import size_text


@dataclass(frozen=True, slots=True)
class _Pending:
    """An image that is in the engine and not yet in the store; `finish` takes its configuration once it is there."""

    id: str
    how: str
    finish: Callable[[Digest], Image]


@dataclass(frozen=True, slots=True)
class _Base:
    """An image that a Dockerfile takes from: what names its content, and it itself where the engine is lent it."""

    content: str
    image: Image | None = None


class EngineImages:
    """Gathers what needs an engine, which is asked only for what is not in the store already."""

    def __init__(
        self,
        surroundings: Surroundings,
        outside: Outside,
        resolution: Resolution,
        gathered: Gathered,
        contents: Contents,
    ) -> None:
        self._surroundings = surroundings
        self._outside = outside
        self._resolution = resolution
        self._gathered = gathered
        self._contents = contents

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
        configs = self._outside.engine.save(list(ids), self._surroundings.store, progress)
        for name, one in pending.items():
            self._keep(name, one.finish(configs[one.id]), one.how, progress)

    def _keep(self, name: str, image: Image, how: str, progress: Progress) -> None:
        self._gathered.images[name] = image
        progress.note(f"image {name}: {size_text(image.size)}, {how}")

    def _held(self, name: str, recipe: FromEngine) -> Image | _Pending:
        store, ledger = self._surroundings.store, self._surroundings.ledger
        id_ = self._resolution.held[recipe.reference]
        source = {"kind": "engine", "reference": recipe.reference, "id": id_}

        def finish(config: Digest) -> Image:
            ledger.remember("held", id_, value=config)
            return image_of(store, store.read_bytes(config), recipe.tag, source)

        config = ledger.recall("held", id_)
        if (
            config is not None
            and config in store
            and all(layer in store for layer in layers_of(read_config(store, config)))
        ):
            return finish(config)
        self._held_still(name, recipe.reference, id_)
        return _Pending(id_, "from the engine", finish)

    def _held_still(self, name: str, reference: str, id_: str) -> Held:
        held = self._outside.engine.find(id_)
        if held is None:
            raise DefinitionError(
                f"image {name}: the engine has {reference} no longer as the lock says ({id_})",
                f"Take what it has now: floto-builder lock --upgrade {reference}",
            )
        return held

    def _built(self, name: str, recipe: Build, progress: Progress) -> Image | _Pending:
        surroundings, tag = self._surroundings, recipe.tag
        lent = {argument: self._gathered.images[base] for argument, base in recipe.bases.items()}
        context = self._context(recipe, lent)
        bases = self._bases(name, recipe, lent)
        ids = {reference: base.content for reference, base in bases.items()}
        builder = BuildKit.kind if self._outside.buildkit else Engine.kind
        key = context.key(builder, ids, surroundings.epoch)
        if image := self._remembered(key, tag):
            self._gathered.tools[f"image {name}"] = surroundings.ledger.recall("tools", key) or {}
            return image
        held = self._build(name, context, bases, progress)
        base_layers = self._shared(name, context, bases, held)
        source = {"kind": "build", "key": digest_of_value(key)}
        tools = {builder: self._outside.engine.version}
        self._gathered.tools[f"image {name}"] = tools

        def finish(config: Digest) -> Image:
            store, ledger, epoch = surroundings.store, surroundings.ledger, surroundings.epoch
            image = settle(store, ledger, config, base_layers=base_layers, epoch=epoch, tag=tag, source=source)
            ledger.remember("built", key, value=image.model_dump(mode="json"))
            ledger.remember("tools", key, value=tools)
            return image

        return _Pending(held.id, "built", finish)

    def _context(self, recipe: Build, lent: Mapping[str, Image]) -> Context:
        arguments = {
            "SOURCE_DATE_EPOCH": str(self._surroundings.epoch),
            **recipe.arguments,
            **{argument: lent_name(image.config) for argument, image in lent.items()},
        }
        return read_context(self._surroundings.project, recipe, self._contents.entries(recipe.files), arguments)

    def _bases(self, name: str, recipe: Build, lent: Mapping[str, Image]) -> dict[str, _Base]:
        bases = {lent_name(image.config): _Base(image.config, image) for image in lent.values()}
        for reference in self._resolution.bases[name]:
            if reference in self._resolution.held:
                bases[reference] = _Base(self._resolution.held[reference])
            else:
                image = self._gathered.remote[reference, recipe.platform]
                bases[reference] = _Base(image.config, image)
        return bases

    def _remembered(self, key: Mapping[str, Any], tag: str) -> Image | None:
        known = self._surroundings.ledger.recall("built", key)
        if known is None:
            return None
        image = Image.model_validate_json(canonical({**known, "tag": tag}))
        return image if self._surroundings.has_image(image) else None

    def _build(self, name: str, context: Context, bases: Mapping[str, _Base], progress: Progress) -> Held:
        engine, epoch = self._outside.engine, self._surroundings.epoch
        names = {}
        for reference, base in bases.items():
            if base.image:
                names[reference] = engine.lend(base.image, self._surroundings.store)
            else:
                names[reference] = engine.lend_held(self._held_still(name, reference, base.content))
        with progress.task(f"building image {name}") as task, self._surroundings.log(f"image {name}", task) as log:
            try:
                return build_image(context, names, epoch, self._builder(task), log)
            except DefinitionError as error:
                raise DefinitionError(f"image {name}: {error.message}", error.hint) from error

    def _builder(self, task: Task) -> ImageBuilder:
        engine, command = self._outside.engine, self._outside.buildkit
        if command is None:
            return engine
        address = {"DOCKER_HOST": self._surroundings.engine} if self._surroundings.engine else {}
        env = settled_environment(self._surroundings.env, self._surroundings.epoch, {"DOCKER_BUILDKIT": "1", **address})
        return BuildKit(command, env, engine.find, task)

    def _shared(self, name: str, context: Context, bases: Mapping[str, _Base], built: Held) -> int:
        """How many of an image's layers are those of its base, which keep their times."""
        root = context.bases.root
        if root is None:
            return 0
        base = bases[root]
        layers = base.image.layers if base.image else self._held_still(name, root, base.content).layers
        return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(layers, built.layers, strict=False))))
