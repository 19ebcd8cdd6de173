"""The options with which verbs choose a variant: by a site's file, or by choices one by one."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from bundle_format.errors import DefinitionError
from bundle_format.release.model import Release, Scalar, Variant
from bundle_format.site.parameters import read_option
from bundle_format.site.sitefile import Site, load_site, variant_of


def add_variant_options(parser: ArgumentParser) -> None:
    """`--site FILE` or `--choice NAME=OPTION`."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--site", metavar="FILE", type=Path, help="the variant that this site has chosen")
    group.add_argument(
        "--choice", metavar="NAME=OPTION", action="append", default=[], help="may be repeated; default: first options"
    )


def chosen_variant(arguments: Namespace, release: Release) -> tuple[Variant, Site | None]:
    """The variant that the options name, and the site if one is named."""
    if arguments.site:
        site = load_site(arguments.site, release)
        return variant_of(release, site.choices), site
    chosen: dict[str, Scalar] = {name: choice.options[0] for name, choice in release.choices.items()}
    for text in arguments.choice:
        name, _, option = text.partition("=")
        if name not in release.choices:
            raise DefinitionError(f"there is no choice {name!r}", f"There are: {', '.join(release.choices) or 'none'}.")
        chosen[name] = _option(release, name, option)
    return variant_of(release, chosen), None


def _option(release: Release, name: str, text: str) -> Scalar:
    readings: list[Scalar] = [text]
    if text in {"true", "false"}:
        readings.append(text == "true")
    if text.removeprefix("-").isdecimal():
        readings.append(int(text))
    for reading in readings:
        try:
            return read_option(release.choices[name], reading)
        except ValueError as error:
            refused = error
    raise DefinitionError(f"choice {name}: {refused}")
