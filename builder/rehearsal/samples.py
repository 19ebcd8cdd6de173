"""Every variant of a definition bound to sample values, so that no template and no rule fails first on a site."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from builder.language.evaluation import Place
from builder.rehearsal.draft import Draft
from bundle_format.release.deployment import Template
from bundle_format.release.fields import Sealed
from bundle_format.release.late import Known, samples
from bundle_format.release.model import Parameter, Release, Scalar, Variant
from bundle_format.release.rules import judge
from bundle_format.release.templates import template_faults
from bundle_format.release.value import Fault, Path
from bundle_format.site.bind import Locate, Means, bind_variant, declared_names
from bundle_format.site.conflicts import lasting_conflicts
from bundle_format.site.parameters import parameter_faults
from bundle_format.site.sitefile import Site

SAMPLE_KEY: Final = b"sample"
"""Seals sample secrets; no site has it."""


def rehearse(draft: Draft, places: Mapping[str, Place]) -> list[Fault]:
    """All that would be at fault on every site, each fault once and at its place of the definition."""
    release = draft.release
    known = sample_values(release.parameters)
    locate = _locator(places)
    unfit = {fault for variant in release.variants for fault in _templates(draft, variant)}
    tried = {fault for variant in release.variants for fault in _variant(draft, variant, known, locate)}
    # What a template cannot know fails again when it is rendered.
    tried = {fault for fault in tried if fault.file not in {fault.file for fault in unfit}}
    faults = {*unfit, *tried, *_parameters(release, locate), *_rules(release, known, locate)}
    return sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column, fault.message))


def sample_values(parameters: Mapping[str, Parameter]) -> Known:
    """A value for each parameter; secrets are sealed, so that they are refused where everybody reads along."""
    return {
        name: Sealed(str(value), SAMPLE_KEY) if parameters[name].type == "secret" else value
        for name, value in samples(parameters).items()
    }


def all_choices(release: Release, variant: Variant) -> dict[str, Scalar]:
    """The choices that lead to a variant; what it does not depend on is as if nothing were chosen."""
    return {name: choice.options[0] for name, choice in release.choices.items()} | variant.when


def _parameters(release: Release, locate: Locate) -> Iterator[Fault]:
    for name, parameter in release.parameters.items():
        for message in parameter_faults(parameter):
            yield locate(("param", name), message)


def _rules(release: Release, known: Known, locate: Locate) -> Iterator[Fault]:
    for number, rule in enumerate(release.rules):
        for variant in release.variants:
            try:
                judge(rule, known, all_choices(release, variant))
            except ValueError as error:
                yield locate(("check", str(number)), f"check({rule.message!r}): {error}")


def _templates(draft: Draft, variant: Variant) -> Iterable[Fault]:
    for tree in variant.objects.get("template", {}).values():
        template = Template.model_validate(tree)
        text = draft.open(draft.release.files[template.file])
        try:
            yield from template_faults(template.file, text.decode("utf-8"), template.vars.keys())
        except UnicodeDecodeError:
            yield Fault("the template is no UTF-8 text", template.file)


def _variant(draft: Draft, variant: Variant, known: Known, locate: Locate) -> Iterator[Fault]:
    site = Site(name="sample", choices=all_choices(draft.release, variant), parameters={})
    deployment, faults = bind_variant(draft.release, variant, site, known, Means(SAMPLE_KEY, draft.open, locate))
    yield from faults
    for path, message in lasting_conflicts(deployment, declared_names(draft.release, variant)):
        yield locate(path, message)


def _locator(places: Mapping[str, Place]) -> Locate:
    def locate(path: Path, message: str) -> Fault:
        kind, name, *inner = map(str, path)
        said = f"{kind} {name}: {'.'.join(inner)}: {message}" if inner else f"{kind} {name}: {message}"
        place = places.get(f"{kind}/{name}")
        if place is None:
            return Fault(said)
        return Fault(said, place.path, place.line, place.column, notes=place.callers)

    return locate
