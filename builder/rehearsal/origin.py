"""Where a value of a release comes from: the call that said it, the parameters in it, and who gave those."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.language.evaluation import Evaluation, Place
from builder.rehearsal.masked import KEY, masked
from bundle_format.errors import DefinitionError
from bundle_format.release.late import names, occurrences, samples, substitute
from bundle_format.release.model import Parameter, Scalar, Variant
from bundle_format.release.value import Path
from bundle_format.site.sitefile import Site


@dataclass(frozen=True, slots=True)
class Giver:
    """A parameter in a value: what it is, where it was declared, and who says what it is here."""

    name: str
    parameter: Parameter
    declared: Place | None
    value: Scalar
    given: str


@dataclass(frozen=True, slots=True)
class Origin:
    """A value and everything that made it; `template` is the file whose text it is the text of."""

    path: Path
    value: Any
    place: Place | None
    givers: tuple[Giver, ...]
    template: str = ""


def explain(way: str, evaluation: Evaluation, variant: Variant, site: Site | None) -> Origin:
    """The origin of what `way` leads to, as in `container/web/env/PORT`; DefinitionError where it leads nowhere.

    Members of a list are found by number, or by the path, name or network that they have. Without a site, values are
    defaults and samples.
    """
    path, tree = _follow(way, variant.objects)
    template = _template_of(tree)
    said = [tree, *(variant.objects["template"][name] for name in template)]
    known = known_values(evaluation, site)
    givers = tuple(_giver(name, evaluation, known[name], site) for name in sorted(names(said)))
    return Origin(
        path=path,
        value=substitute(tree, known, KEY),
        place=evaluation.places.get("/".join(map(str, path[:2]))),
        givers=givers,
        template=variant.objects["template"][template[0]]["file"] if template else "",
    )


def uses(name: str, evaluation: Evaluation, variant: Variant) -> list[Path]:
    """The places of a variant that wait for a parameter; DefinitionError if there is none such."""
    if name not in evaluation.parameters:
        near = difflib.get_close_matches(name, evaluation.parameters, 1)
        raise DefinitionError(f"there is no param {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return [path for path, waiting in occurrences(variant.objects) if waiting == name]


def known_values(evaluation: Evaluation, site: Site | None) -> dict[str, Scalar]:
    """The values of a site, or samples; a secret is shown by its name."""
    secrets = {name: masked(name) for name, parameter in evaluation.parameters.items() if parameter.type == "secret"}
    return samples(evaluation.parameters) | secrets | (site.parameters if site else {})


def _follow(way: str, tree: Any, path: Path = ()) -> tuple[Path, Any]:
    if not way:
        return path, tree
    steps = dict(_steps(tree))
    for name in sorted(steps, key=len, reverse=True):
        if way == name or way.startswith(f"{name}/"):
            key, member = steps[name]
            return _follow(way[len(name) :].lstrip("/"), member, (*path, key))
    near = difflib.get_close_matches(way.partition("/")[0], steps, 1)
    at = "/".join(map(str, path))
    raise DefinitionError(
        f"{at or 'this variant'} has no {way!r}" + (f"; did you mean {near[0]!r}?" if near else ""),
        f"It has {', '.join(sorted(steps))}." if steps else "It is a single value.",
    )


def _steps(tree: Any) -> Iterator[tuple[str, tuple[str | int, Any]]]:
    match tree:
        case {"$param": _} | {"$text": _}:
            return
        case Mapping():
            yield from ((name, (name, member)) for name, member in tree.items())
        case list() | tuple():
            for number, member in enumerate(tree):
                yield str(number), (number, member)
                for field in ("path", "name", "network"):
                    if isinstance(member, Mapping) and isinstance(member.get(field), str):
                        yield member[field].lstrip("/"), (number, member)


def _template_of(tree: Any) -> list[str]:
    return [tree["template"]] if isinstance(tree, Mapping) and isinstance(tree.get("template"), str) else []


def _giver(name: str, evaluation: Evaluation, value: Scalar, site: Site | None) -> Giver:
    parameter = evaluation.parameters[name]
    return Giver(name, parameter, evaluation.places.get(f"param/{name}"), value, _given(name, parameter, site))


def _given(name: str, parameter: Parameter, site: Site | None) -> str:
    if site is not None and ("params", name) in site.toml.spots:
        spot = site.toml.spots["params", name]
        return f"{site.file}:{spot.value_line}:{spot.value_column}"
    if parameter.default is not None:
        return "its default"
    return "made up, for no site is named" if site is None else "nobody: this site need not say it"
