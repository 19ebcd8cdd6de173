"""One run of a definition, read: its trees, its recipes and its rules, and everything that is wrong with them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from builder.language.evaluation import Place
from builder.language.hearing import Call
from builder.language.meaning.container.containers import read_container, read_task
from builder.language.meaning.container.services import read_service, shared_network
from builder.language.meaning.hosts import read_host_word
from builder.language.meaning.recipes.contents import read_file
from builder.language.meaning.recipes.recipes import read_artifact, read_image, read_machine_image
from builder.language.meaning.release import read_choice, read_parameter, read_project, read_rule
from builder.language.meaning.spot import Context, Spot, sample_values
from builder.language.meaning.texts import read_text
from builder.language.meaning.trial import try_variant
from builder.language.text.loading import ENTRY
from builder.language.text.source import Sources
from builder.project import Project
from bundle_format.release.fields import Name, ParameterName, Repository
from bundle_format.release.model import Choice, Parameter, Rule, Scalar
from bundle_format.release.value import Fault, Value, faults_of

_REPEATABLE: Final = ("param", "choice", "artifact", "image")
"""May be said twice, if the same is said: a function may say them for each of several containers."""

_HANDLES: Final = ("file", "folder", "check")
"""May be said any number of times."""

_NAMES: Final[Mapping[str, TypeAdapter[Any]]] = {
    **dict.fromkeys(("param", "choice"), TypeAdapter(ParameterName)),
    **dict.fromkeys(("project", "image"), TypeAdapter(Repository)),
    **dict.fromkeys(("machine_image", "host", "data_disk", "network", "volume"), TypeAdapter(Name)),
    **dict.fromkeys(("template", "document", "container", "task", "service", "host_step"), TypeAdapter(Name)),
}
_TREES: Final[Mapping[str, Callable[[Call, Spot], dict[str, Any]]]] = {
    **dict.fromkeys(("host", "data_disk", "host_step", "network", "volume"), read_host_word),
    **dict.fromkeys(("template", "document"), read_text),
    "container": read_container,
    "task": read_task,
    "service": read_service,
}


@dataclass
class Meaning:
    """What one run of a definition says."""

    product: str = ""
    version: str = ""
    doc: str = ""
    parameters: dict[str, Parameter] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    trees: dict[str, dict[str, Any]] = field(default_factory=dict)
    recipes: dict[str, dict[str, Value]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read_meaning(
    calls: Sequence[Call], chosen: Mapping[str, Scalar], sources: Sources, project: Project, *, whole: bool
) -> Meaning:
    """Read all that a run said, with the options `chosen`; nothing is raised, everything wrong is in `faults`.

    Where the run was not `whole`, what it lacks may have come later, so it is not missed.
    """
    meaning = Meaning()
    said = _first_of_each(calls)
    product = next((name for word, name in said if word == "project"), "")
    context = Context(sources, project, said=said, whole=whole, product=product, faults=meaning.faults)
    for call in calls:
        _judge_name(call, Spot(call, context))
    meaning.parameters = {call.name: read_parameter(call, spot) for call, spot in _said("param", context)}
    context = replace(context, parameters=meaning.parameters, known=sample_values(meaning.parameters))
    choices = {call.name: read_choice(call, spot) for call, spot in _said("choice", context)}
    meaning.choices = {name: choice for name, choice in choices.items() if choice}
    _read_project(meaning, context)
    _read_recipes(meaning, context)
    trees = _read_trees(context)
    meaning.trees = _shipped(trees)
    for call in calls:
        if call.word in ("file", "folder"):
            read_file(call, Spot(call, context))
        if call.word == "check" and (rule := read_rule(call, Spot(call, context), chosen)):
            meaning.rules.append(rule)
    if whole:
        try_variant(trees, [name for word, name in context.said if word == "image"], chosen, context)
    meaning.places = {f"{word}/{name}": call.place for (word, name), call in context.said.items()}
    return meaning


def _first_of_each(calls: Sequence[Call]) -> dict[tuple[str, str], Call]:
    first: dict[tuple[str, str], Call] = {}
    for call in calls:
        first.setdefault((call.word, call.name), call)
    return first


def _judge_name(call: Call, spot: Spot) -> None:
    first = spot.context.said[call.word, call.name]
    same = call.word in _REPEATABLE and call.says_the_same(first)
    if first is not call and call.word not in _HANDLES and not same:
        other = ", and not the same" if call.word in _REPEATABLE else ""
        spot.fault(f"{call.told} is declared twice{other}", f"first declared at {first.whereabouts}")
    if call.first == "":
        spot.fault(f"{call.word}() begins with an empty text")
    elif "record[" in call.name or (not call.name and (call.given or call.named)):
        spot.fault(f"{call.word}() begins with a text that is known while building")
    elif call.word in _NAMES:
        try:
            _NAMES[call.word].validate_python(call.name)
        except ValidationError as error:
            for _, message in faults_of(error):
                spot.at("name").fault(f"{call.word}(): {call.name!r}: {message}")


def _said(word: str, context: Context) -> Iterator[tuple[Call, Spot]]:
    for (said, _), call in context.said.items():
        if said == word:
            yield call, Spot(call, context)


def _read_project(meaning: Meaning, context: Context) -> None:
    projects = list(_said("project", context))
    if context.whole and not projects:
        context.faults.append(Fault('the definition lacks project("NAME", version = "...")', ENTRY, 1, 1))
    for position, (call, spot) in enumerate(projects):
        if position > 0:
            spot.fault("project() can be said once", f"first said at {projects[0][0].whereabouts}")
            continue
        fields = read_project(call, spot)
        meaning.product, meaning.version, meaning.doc = call.name, fields.get("version", ""), fields.get("doc", "")


def _read_recipes(meaning: Meaning, context: Context) -> None:
    images = {
        call.name: read_image(call, spot, meaning.product, meaning.version) for call, spot in _said("image", context)
    }
    artifacts = {call.name: read_artifact(call, spot) for call, spot in _said("artifact", context)}
    machine_images = {call.name: read_machine_image(call, spot) for call, spot in _said("machine_image", context)}
    _judge_tags(images, context)
    meaning.recipes = {
        kind: {name: recipe for name, recipe in recipes.items() if recipe is not None}
        for kind, recipes in (("image", images), ("artifact", artifacts), ("machine_image", machine_images))
    }


def _judge_tags(images: Mapping[str, Any], context: Context) -> None:
    """Names that differ in case alone would be one name on site, where images have theirs in lower case."""
    bearers: dict[str, Call] = {}
    for name, recipe in images.items():
        if recipe is not None:
            call = context.said["image", name]
            first = bearers.setdefault(recipe.tag, call)
            if first is not call:
                Spot(call, context).at("name").fault(
                    f"{call.told} is declared twice: on site it is {recipe.tag}, as {first.name!r} is",
                    f"first declared at {first.whereabouts}",
                )


def _read_trees(context: Context) -> dict[str, dict[str, Any]]:
    trees = {
        word: {call.name: read(call, spot) for call, spot in _said(word, context)} for word, read in _TREES.items()
    }
    documents, templates = trees["document"], trees["template"]
    for name in documents.keys() & templates.keys():
        Spot(context.said["document", name], context).fault(f"document {name!r} has the name of a template")
    if any({"network": context.product} in tree.get("networks", ()) for tree in _containers(trees)):
        trees["network"].setdefault(context.product, {})
    shared = shared_network(context.product)
    if any(shared in tree.get("networks", ()) for tree in trees["service"].values()):
        trees["network"].setdefault(shared, {"driver": "overlay"})
    return trees | {"template": templates | documents, "document": {name: {"template": name} for name in documents}}


def _shipped(trees: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The trees without those templates that only an image of the builder uses, or nothing."""
    placed = (place for tree in (*_containers(trees), *trees["service"].values()) for place in tree.get("files", ()))
    used = {place.get("template") for place in placed} | trees["document"].keys()
    templates = {name: tree for name, tree in trees["template"].items() if name in used}
    return {kind: dict(named) for kind, named in {**trees, "template": templates}.items() if named}


def _containers(trees: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    yield from trees["container"].values()
    yield from (task["container"] for task in trees["task"].values())
