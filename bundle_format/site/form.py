"""A release's site.toml as a form: what has to be filled in stands empty, what has a default is commented out."""

from collections.abc import Iterable, Iterator, Mapping

from bundle_format.release.late import names
from bundle_format.release.model import Choice, Parameter, Release
from bundle_format.site.parameters import written

_ENGINE = 'engine = "unix:///var/run/docker.sock"'


def site_form(release: Release) -> str:
    """The text of the form; as it is, reading it tells each value that is still to be given."""
    blocks = [
        [
            f"# {release.product} {release.version}: fill in what stands empty; what is commented out is the default.",
            'site = ""  # the name of this place, such as krakow-1; it never changes',
        ],
        _table("choices", (_choice(name, choice) for name, choice in release.choices.items())),
        _table("params", _parameters(release)),
        *_hosts(release),
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines) + "\n"


def _table(name: str, entries: Iterable[list[str]]) -> list[str]:
    lines = [line for entry in entries for line in entry]
    return [f"[{name}]", *lines] if lines else []


def _choice(name: str, choice: Choice) -> list[str]:
    options = ", ".join(map(written, choice.options))
    return [*_remark(choice.doc), f"# {name} = {written(choice.options[0])}  # one of {options}"]


def _parameters(release: Release) -> Iterator[list[str]]:
    needed = frozenset[str].intersection(*(names(variant.objects) for variant in release.variants))
    for name, parameter in release.parameters.items():
        wanted = parameter.default is None and name in needed
        line = f"{name} = {_value(name, parameter)}  # {_kind(parameter)}"
        only = "" if parameter.default is not None or wanted else ", with some choices only"
        yield [*_remark(parameter.doc), line if wanted else f"# {line}{only}"]


def _value(name: str, parameter: Parameter) -> str:
    if parameter.type == "secret":
        return f'{{ file = "secrets/{name}" }}'
    return '""' if parameter.default is None else written(parameter.default, parameter)


def _kind(parameter: Parameter) -> str:
    told: list[str] = [parameter.type]
    if parameter.min is not None:
        told.append(f"at least {written(parameter.min, parameter)}")
    if parameter.max is not None:
        told.append(f"at most {written(parameter.max, parameter)}")
    if parameter.one_of:
        told.append(f"one of {', '.join(map(written, parameter.one_of))}")
    elif parameter.example is not None:
        told.append(f"such as {written(parameter.example, parameter)}")
    return ", ".join(told)


def _hosts(release: Release) -> Iterator[list[str]]:
    hosts: list[Mapping[str, object]] = [variant.objects.get("host", {}) for variant in release.variants]
    for name in dict.fromkeys(name for variant in hosts for name in variant):
        lines = [f"[hosts.{name}]", _ENGINE]
        yield lines if all(name in variant for variant in hosts) else [f"# {line}" for line in lines]


def _remark(doc: str) -> list[str]:
    return [f"# {' '.join(doc.split())}"] if doc.strip() else []
