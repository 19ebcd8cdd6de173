"""`site.toml`: what an integrator writes about one site, read against a release with all its faults at once."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field, ValidationError

from bundle_format.errors import ParameterError
from bundle_format.release.deployment import Access
from bundle_format.release.late import names
from bundle_format.release.model import Choice, Parameter, Release, Scalar, Variant
from bundle_format.release.value import Fault, FaultyError, Value, faults_of, told
from bundle_format.release.value import Path as TreePath
from bundle_format.site.hypervisors import SOURCES, AnyAccess, HypervisorAccess, LocalAccess, SecretSource
from bundle_format.site.parameters import read_file_name, read_option, read_value
from bundle_format.site.toml import Toml, parse_toml

SITE_NAME: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
TABLES: Final = ("site", "choices", "params", "hosts", "hypervisors")

_FILES: Final = (
    *("file", "tls_ca", "tls_cert", "tls_key", "ssh_key", "ssh_known_hosts"),
    *("registry_ca", "registry_password"),
)

T = TypeVar("T")
V = TypeVar("V", bound=Value)


class FaultySiteError(ParameterError):
    """A site's file, its secrets or its values are at fault: all that is wrong, by line and column."""

    def __init__(self, faults: Iterable[Fault], hint: str) -> None:
        self.faults = tuple(faults)
        super().__init__(told(self.faults), hint)


class Site(Value):
    """What one site says: its choices complete, its parameters with the defaults, its secrets by their sources."""

    name: str
    choices: dict[str, Scalar]
    parameters: dict[str, Scalar]
    secrets: dict[str, SecretSource] = Field(default_factory=dict)
    hosts: dict[str, Access] = Field(default_factory=dict)
    hypervisors: dict[str, AnyAccess] = Field(default_factory=dict)
    file: str = ""
    toml: Toml = Field(default_factory=lambda: Toml({}, {}), repr=False)

    def fault(self, path: TreePath, message: str) -> Fault:
        """A fault at the value under `path` of the site's file, or at what that would stand in."""
        return _fault_at(self.toml, self.file, path, message)


def load_site(path: Path, release: Release) -> Site:
    """Read a site's file from disk; FaultySiteError with every fault, by line and column."""
    return read_site(site_content(path), path, release)


def site_content(path: Path) -> bytes:
    """The bytes of a site's file, as it is kept with what was made of it; ParameterError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ParameterError(
            f"{path}: error: the site's file cannot be read: {error.strerror}",
            "Name it with --site FILE, or begin one: floto-agent inspect BUNDLE --site-file > site.toml",
        ) from error


def read_site(content: bytes, path: Path, release: Release) -> Site:
    """Read the file that lies at `path`; relative paths in it are relative to it. FaultySiteError as above."""
    try:
        toml = parse_toml(content, str(path))
    except FaultyError as error:
        raise FaultySiteError(error.faults, f"Mend {path} and try again; nothing was changed.") from error
    reading = _Reading(toml, path)
    site = _site(reading, release)
    if reading.faults:
        raise FaultySiteError(reading.faults, f"Mend {path} and try again; nothing was changed.")
    return site


def read_hypervisors(path: Path) -> dict[str, AnyAccess]:
    """Only the hypervisors of a site's file, without a release to read it against; FaultySiteError as above."""
    try:
        reading = _Reading(parse_toml(site_content(path), str(path)), path)
    except FaultyError as error:
        raise FaultySiteError(error.faults, f"Mend {path} and try again; nothing was changed.") from error
    tables = reading.toml.value.get("hypervisors", {})
    named = tables.items() if isinstance(tables, Mapping) else ()
    read = {name: _hypervisor(reading, ("hypervisors", name), table) for name, table in named}
    if reading.faults:
        raise FaultySiteError(reading.faults, f"Mend {path} and try again; nothing was changed.")
    return {name: access for name, access in read.items() if access is not None}


def variant_of(release: Release, choices: Mapping[str, Scalar]) -> Variant:
    """The variant that a site's choices select; ParameterError if the release has none for them."""
    for variant in release.variants:
        if all(choices.get(name) == option for name, option in variant.when.items()):
            return variant
    chosen = ", ".join(f"{name} = {option}" for name, option in choices.items())
    raise ParameterError(f"{release.product} {release.version} has no variant for {chosen}")


class _Reading:
    """One reading of a site's file: what it says, and what is wrong with it."""

    def __init__(self, toml: Toml, path: Path) -> None:
        self.toml = toml
        self.file = str(path)
        self.folder = path.parent.absolute()
        self.faults: list[Fault] = []

    def fault(self, path: TreePath, message: str) -> None:
        self.faults.append(_fault_at(self.toml, self.file, path, message))

    def table(self, path: TreePath, given: object, known: Iterable[str]) -> Mapping[str, Any]:
        """The members of a table that are known; the others are faults."""
        if not isinstance(given, Mapping):
            self.fault(path, f"{_dotted(path)}: must be a table")
            return {}
        known = list(known)
        for key in given.keys() - set(known):
            spot = self.toml.nearest((*path, key))
            message = f"{_dotted((*path, key))}: unknown key{_did_you_mean(key, known)}"
            self.faults.append(Fault(message, self.file, spot.line, spot.column))
        return {key: given[key] for key in known if key in given}

    def attempt(self, path: TreePath, read: Callable[[Any], T], given: object) -> T | None:
        """What `read` makes of a value, or None and a fault."""
        try:
            return read(given)
        except ValueError as error:
            self.fault(path, f"{_dotted(path)}: {error}")
            return None

    def value(self, path: TreePath, kind: type[V], given: object) -> V | None:
        """A table as a value of ours, with its file names made absolute."""
        table = dict(self.table(path, given, kind.model_fields))
        if not isinstance(given, Mapping):
            return None
        for key in table.keys() & set(_FILES):
            name = self.attempt((*path, key), read_file_name, table[key])
            table[key] = None if name is None else str(self.folder / name)
        try:
            return kind.model_validate(table)
        except ValidationError as error:
            for inner, message in faults_of(error):
                self.fault((*path, *inner), f"{_dotted((*path, *inner))}: {message}")
            return None


def _site(reading: _Reading, release: Release) -> Site:
    tables = reading.table((), reading.toml.value, TABLES)
    choices = _choices(reading, tables.get("choices", {}), release.choices)
    variants = [variant_of(release, choices)] if len(choices) == len(release.choices) else list(release.variants)
    given = reading.table(("params",), tables.get("params", {}), release.parameters)
    _missing(reading, given, release.parameters, variants)
    return Site(
        name=_name(reading, tables.get("site")),
        choices=choices,
        parameters=_parameters(reading, given, release.parameters),
        secrets=_secrets(reading, given, release.parameters),
        hosts=_hosts(reading, tables.get("hosts", {}), release, variants),
        hypervisors=_hypervisors(reading, tables, release, variants),
        file=reading.file,
        toml=reading.toml,
    )


def _name(reading: _Reading, given: object) -> str:
    if given is None:
        reading.fault((), "site: missing, wants the name of this site, such as krakow-1")
    elif not isinstance(given, str) or not re.fullmatch(SITE_NAME, given):
        reading.fault(("site",), "site: must be lower-case letters, digits and '-', such as krakow-1")
    return str(given)


def _choices(reading: _Reading, given: object, choices: Mapping[str, Choice]) -> dict[str, Scalar]:
    made = reading.table(("choices",), given, choices)
    chosen = {name: choice.options[0] for name, choice in choices.items() if name not in made}
    for name, option in made.items():
        read = reading.attempt(("choices", name), partial(read_option, choices[name]), option)
        if read is not None:
            chosen[name] = read
    return chosen


def _missing(
    reading: _Reading, given: Mapping[str, Any], parameters: Mapping[str, Parameter], variants: Iterable[Variant]
) -> None:
    needed = frozenset[str].intersection(*(names(variant.objects) for variant in variants))
    for name in sorted((needed & parameters.keys()) - given.keys()):
        parameter = parameters[name]
        if parameter.default is None:
            form = f', such as {{ file = "secrets/{name}" }}' if parameter.type == "secret" else ""
            doc = f" ({parameter.doc})" if parameter.doc else ""
            reading.fault(("params",), f"params.{name}: missing, wants {parameter.type}{form}{doc}")


def _parameters(reading: _Reading, given: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> dict[str, Scalar]:
    values = {name: parameter.default for name, parameter in parameters.items() if parameter.default is not None}
    for name, value in given.items():
        if parameters[name].type != "secret":
            read = reading.attempt(("params", name), partial(read_value, parameters[name]), value)
            if read is not None:
                values[name] = read
    return values


def _secrets(
    reading: _Reading, given: Mapping[str, Any], parameters: Mapping[str, Parameter]
) -> dict[str, SecretSource]:
    sources = {}
    for name, value in given.items():
        if parameters[name].type != "secret":
            continue
        if not isinstance(value, Mapping):
            reading.fault(("params", name), f"params.{name}: {SOURCES}")
        elif (source := reading.value(("params", name), SecretSource, value)) is not None:
            sources[name] = source
    return sources


def _hosts(reading: _Reading, given: object, release: Release, variants: list[Variant]) -> dict[str, Access]:
    known = {name for variant in release.variants for name in variant.objects.get("host", {})}
    tables = reading.table(("hosts",), given, sorted(known))
    existing = [
        {name for name, host in variant.objects.get("host", {}).items() if host.get("kind", "existing") == "existing"}
        for variant in variants
    ]
    for name in sorted(set.intersection(*existing) - tables.keys()):
        reading.fault(("hosts",), f'hosts.{name}: missing, wants [hosts.{name}] with its engine = "unix:///..."')
    accesses = {name: reading.value(("hosts", name), Access, table) for name, table in tables.items()}
    return {name: access for name, access in accesses.items() if access is not None}


def _hypervisors(
    reading: _Reading, tables: Mapping[str, Any], release: Release, variants: list[Variant]
) -> dict[str, AnyAccess]:
    roles: dict[str, set[str]] = {}
    for variant in release.variants:
        for machine in machines_of(variant).values():
            cards = {card["network"] for card in machine.get("nics", ())}
            roles.setdefault(machine.get("hypervisor", "default"), set()).update(cards)
    given = reading.table(("hypervisors",), tables.get("hypervisors", {}), sorted(roles))
    for name in sorted(_needed_hypervisors(tables.get("hosts", {}), variants) - given.keys()):
        wish = f"[hypervisors.{name}] with address, user and password"
        reading.fault(("hypervisors",), f"hypervisors.{name}: missing, wants {wish}")
    read = {name: _hypervisor(reading, ("hypervisors", name), table) for name, table in given.items()}
    for name, access in read.items():
        for role in sorted(roles[name] - access.networks.keys()) if access else ():
            message = (
                f"hypervisors.{name}.networks.{role}: missing, wants the port group or bridge that plays this role"
            )
            reading.fault(("hypervisors", name, "networks"), message)
    return {name: access for name, access in read.items() if access is not None}


def _needed_hypervisors(hosts: object, variants: list[Variant]) -> set[str]:
    """Those that every variant needs, but for hosts whose engines the site names: they exist without the agent."""
    named = hosts.keys() if isinstance(hosts, Mapping) else ()
    needed = [
        {machine.get("hypervisor", "default") for name, machine in machines_of(variant).items() if name not in named}
        for variant in variants
    ]
    return set.intersection(*needed)


def machines_of(variant: Variant) -> dict[str, Mapping[str, Any]]:
    """The trees of the machines of a variant, by the names of their hosts."""
    hosts = variant.objects.get("host", {})
    return {name: host["machine"] for name, host in hosts.items() if host.get("machine")}


def _hypervisor(reading: _Reading, path: TreePath, table: object) -> AnyAccess | None:
    if isinstance(table, Mapping) and table.get("kind") == "qemu":
        here = reading.value(path, LocalAccess, table)
        return here.model_copy(update={"folder": str(reading.folder / here.folder)}) if here else None
    if not isinstance(table, Mapping) or not isinstance(table.get("password"), Mapping):
        if isinstance(table, Mapping) and "password" in table:
            reading.fault((*path, "password"), f"{_dotted((*path, 'password'))}: {SOURCES}")
            return None
        return reading.value(path, HypervisorAccess, table)
    password = reading.value((*path, "password"), SecretSource, table["password"])
    rest = reading.value(path, HypervisorAccess, {**table, "password": SecretSource(prompt=True)})
    return rest.model_copy(update={"password": password}) if rest and password else None


def _fault_at(toml: Toml, file: str, path: TreePath, message: str) -> Fault:
    spot = toml.nearest(path)
    return Fault(message, file, spot.value_line, spot.value_column)


def _dotted(path: TreePath) -> str:
    return ".".join(map(str, path))


def _did_you_mean(wrong: str, known: list[str]) -> str:
    near = difflib.get_close_matches(wrong, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""
