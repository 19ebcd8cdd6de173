"""All variants as one Evaluation: what they share has to be the same in each of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

from builder.language.evaluation import Evaluation, Place
from builder.language.meaning.release import unite_rules
from builder.language.running.variants import VariantMeaning
from builder.language.text.source import Sources
from bundle_format.digest import digest_of
from bundle_format.release.late import as_text
from bundle_format.release.model import Scalar, Variant
from bundle_format.release.value import Fault, FaultyError

_RENAME: Final = "give each of the two a name of its own"
_REMEDIES: Final = dict.fromkeys(("project", "param", "choice"), "no choice() may decide how it is declared")

EVALUATOR: Final = f"starlark-pyo3 {version('starlark-pyo3')}"


def unite(variants: Sequence[VariantMeaning], sources: Sources) -> Evaluation:
    """The Evaluation of all variants; FaultyError with the faults of each, and of all together."""
    faults = [*_faults_of_each(variants), *_differences(variants)]
    if faults:
        raise FaultyError(*faults)
    first = variants[0].meaning
    trees = [variant.meaning.trees for variant in variants]
    artifacts = _united(variants, "artifact")
    placed = {name for one in trees for name in _placed_files(one)}
    return Evaluation(
        product=first.product,
        version=first.version,
        doc=first.doc,
        evaluator=EVALUATOR,
        sources={path: digest_of(source.text.encode()) for path, source in sources.items()},
        parameters={name: value for one in variants for name, value in one.meaning.parameters.items()},
        choices={name: value for one in variants for name, value in one.meaning.choices.items()},
        rules=unite_rules([(dict(one.when), one.meaning.rules) for one in variants]),
        variants=tuple(Variant(when=dict(one.when), objects=one.meaning.trees) for one in variants),
        images=_united(variants, "image"),
        artifacts=artifacts,
        machine_images=_united(variants, "machine_image"),
        files=tuple(sorted(placed - artifacts.keys())),
        carried=tuple(sorted(placed & artifacts.keys())),
        places=_places(variants),
    )


def _faults_of_each(variants: Sequence[VariantMeaning]) -> Iterator[Fault]:
    """Each fault once; one that not every variant has says where it is met first."""
    met: dict[Fault, list[Mapping[str, Scalar]]] = {}
    for variant in variants:
        for fault in dict.fromkeys(variant.meaning.faults):
            met.setdefault(fault, []).append(variant.when)
    for fault, whens in met.items():
        if len(whens) == len(variants):
            yield fault
        else:
            chosen = ", ".join(f"{name} = {as_text(option)}" for name, option in whens[0].items())
            yield replace(fault, notes=(*fault.notes, f"with {chosen}"))


def _differences(variants: Sequence[VariantMeaning]) -> Iterator[Fault]:
    first: dict[tuple[str, str], Any] = {}
    for variant in variants:
        for word, name, value in _shared(variant):
            key = (word, "" if word == "project" else name)
            if first.setdefault(key, value) != value:
                place = variant.meaning.places[f"{word}/{name}"]
                message = f"{word} {name!r} is not the same in every variant: {_REMEDIES.get(word, _RENAME)}"
                yield Fault(message, place.path, place.line, place.column, notes=place.callers)


def _shared(variant: VariantMeaning) -> Iterator[tuple[str, str, Any]]:
    meaning = variant.meaning
    yield "project", meaning.product, (meaning.product, meaning.version, meaning.doc)
    declared: dict[str, Mapping[str, Any]] = {"param": meaning.parameters, "choice": meaning.choices}
    for word, named in (declared | meaning.recipes).items():
        for name, value in named.items():
            yield word, name, value


def _united(variants: Sequence[VariantMeaning], word: str) -> dict[str, Any]:
    return {name: recipe for variant in variants for name, recipe in variant.meaning.recipes[word].items()}


def _placed_files(trees: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    tasks = (task["container"] for task in trees.get("task", {}).values())
    things = [*trees.get("container", {}).values(), *tasks, *trees.get("service", {}).values()]
    for place in (place for thing in things for place in thing.get("files", ())):
        if "file" in place:
            yield place["file"]
    yield from (template["file"] for template in trees.get("template", {}).values())


def _places(variants: Sequence[VariantMeaning]) -> dict[str, Place]:
    return {key: place for variant in reversed(variants) for key, place in variant.meaning.places.items()}
