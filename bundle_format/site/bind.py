"""A release bound to a site: late values filled in, templates rendered, rules judged, every fault told at once."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from bundle_format.digest import digest_of
from bundle_format.errors import DamageError, ParameterError
from bundle_format.release.deployment import (
    Container,
    Deployment,
    Document,
    Host,
    HostStep,
    Network,
    OneOff,
    Volume,
)
from bundle_format.release.fields import Sealed
from bundle_format.release.fittings import RenderedFile
from bundle_format.release.late import Known, names, substitute
from bundle_format.release.machine import DataDisk
from bundle_format.release.model import File, Release, Variant
from bundle_format.release.rules import judge, parameters_of, told_values
from bundle_format.release.service import Service
from bundle_format.release.templates import render
from bundle_format.release.trees import Placement, Placements, RenderedDocument, Template
from bundle_format.release.value import Fault, FaultyError, Path, Value, faults_of
from bundle_format.site.conflicts import address_conflicts, conflicts
from bundle_format.site.sitefile import FaultySiteError, Site, variant_of
from bundle_format.site.swarm_conflicts import swarm_conflicts, without_registry

KINDS: Final = (
    *("host", "data_disk", "host_step", "network", "volume", "template", "container", "task", "service"),
    "document",
)

Files = Callable[[File], bytes]
"""Opens a file of the release: a bundle's blob, or the project's own file."""

Locate = Callable[[Path, str], Fault]
"""Makes a fault of what is wrong at a path of a variant's trees (kind, name, field, ...)."""

T = TypeVar("T")
V = TypeVar("V", bound=Value)


def bind(release: Release, site: Site, secrets: Mapping[str, str], key: bytes, files: Files) -> Deployment:
    """What shall be on `site`; texts with a secret in them are Sealed under the site's `key`.

    FaultySiteError with every fault: values that do not fit their place, templates that fail, rules that are broken,
    ports and addresses given twice.
    """
    variant = variant_of(release, site.choices)
    locate = _locator(site, variant)
    deployment, faults = bind_variant(release, variant, site, secrets=secrets, key=key, files=files, locate=locate)
    clashes = [*address_conflicts(deployment), *without_registry(deployment)]
    faults += [locate(path, message) for path, message in clashes]
    faults += _broken_rules(release, site, _known(site, secrets, key))
    if faults:
        raise FaultySiteError(faults, f"Mend {site.file} where it is at fault; nothing was changed.")
    return deployment


def bind_variant(
    release: Release,
    variant: Variant,
    site: Site,
    *,
    secrets: Mapping[str, str],
    key: bytes,
    files: Files,
    locate: Locate,
) -> tuple[Deployment, list[Fault]]:
    """A deployment of all that can be read, and the faults of all that cannot; a builder may try sample values."""
    known = _known(site, secrets, key)
    binding = _Binding(release, _filled(variant, known, key), key, files, locate)
    deployment = binding.deployment(site)
    declared = {kind: variant.objects.get(kind, {}).keys() for kind in KINDS} | {"image": release.images.keys()}
    clashes = [*conflicts(deployment, declared), *swarm_conflicts(deployment, declared)]
    return deployment, [*binding.faults, *(locate(path, message) for path, message in clashes)]


def _filled(variant: Variant, known: Known, key: bytes) -> Any:
    try:
        return substitute(variant.objects, known, key)
    except KeyError as error:
        raise ParameterError(f"no value for {error.args[0]}", "Write it into the site's file.") from error
    except (ValueError, RecursionError) as error:
        raise DamageError(f"the release cannot be read: {error}", "Its maker has to build it anew.") from error


def _known(site: Site, secrets: Mapping[str, str], key: bytes) -> Known:
    return {**site.parameters, **{name: Sealed(text, key) for name, text in secrets.items()}}


class _Binding:
    """Reads the trees of a variant, in which nothing is open any more."""

    def __init__(
        self, release: Release, trees: Mapping[str, Mapping[str, Any]], key: bytes, files: Files, locate: Locate
    ) -> None:
        self.faults: list[Fault] = []
        self._release = release
        self._trees = trees
        self._key = key
        self._files = files
        self._locate = locate
        self._templates: dict[str, str | Sealed] = {}

    def deployment(self, site: Site) -> Deployment:
        for kind in sorted(self._trees.keys() - set(KINDS)):
            self.faults.append(Fault(f"this release holds a {kind}, which only a newer floto knows"))
        self._templates = self._all("template", self._template)
        containers = self._all("container", self._container)
        tasks = self._all("task", self._task)
        services = self._all("service", self._service)
        started: tuple[Container | Service, ...] = (*containers.values(), *services.values())
        used = {thing.image for thing in (*started, *(task.container for task in tasks.values()))}
        hosts = self._all("host", lambda path, name, tree: self._host(path, name, tree, site))
        started_from = {host.machine.image for host in hosts.values() if host.machine}
        return Deployment(
            product=self._release.product,
            version=self._release.version,
            site=site.name,
            choices=site.choices,
            images={name: image for name, image in self._release.images.items() if name in used},
            machine_images={n: image for n, image in self._release.machine_images.items() if n in started_from},
            hosts=hosts,
            data_disks=self._all("data_disk", self._named(DataDisk)),
            host_steps=self._all("host_step", self._named(HostStep)),
            networks=self._all("network", self._named(Network)),
            volumes=self._all("volume", self._named(Volume)),
            containers=containers,
            tasks=tasks,
            services=services,
            documents=self._all("document", self._document),
        )

    def _all(self, kind: str, read: Callable[[Path, str, Any], T | None]) -> dict[str, T]:
        made = {name: read((kind, name), name, tree) for name, tree in self._trees.get(kind, {}).items()}
        return {name: value for name, value in made.items() if value is not None}

    def _read(self, path: Path, kind: type[V], tree: Mapping[str, Any]) -> V | None:
        try:
            return kind.model_validate(tree)
        except ValidationError as error:
            self.faults += [self._locate((*path, *inner), message) for inner, message in faults_of(error)]
            return None

    def _named(self, kind: type[V]) -> Callable[[Path, str, Any], V | None]:
        return lambda path, name, tree: self._read(path, kind, {**tree, "name": name})

    def _host(self, path: Path, name: str, tree: Mapping[str, Any], site: Site) -> Host | None:
        return self._read(path, Host, {**tree, "name": name, "access": site.hosts.get(name)})

    def _template(self, path: Path, _name: str, tree: Mapping[str, Any]) -> str | Sealed | None:
        template = self._read(path, Template, tree)
        content = self._content(path, template.file) if template else None
        if template is None or content is None:
            return None
        try:
            return render(template.file, content.decode("utf-8"), template.vars, self._key)
        except UnicodeDecodeError:
            self.faults.append(Fault("the template is no UTF-8 text", template.file))
        except FaultyError as error:
            self.faults += error.faults
        return None

    def _content(self, path: Path, name: str) -> bytes | None:
        file = self._release.files.get(name)
        if file is None:
            self.faults.append(self._locate(path, f"the release carries no file {name!r}"))
            return None
        return self._files(file)

    def _container(self, path: Path, name: str, tree: Mapping[str, Any]) -> Container | None:
        return self._read(path, Container, {**tree, "name": name, "files": self._placed(path, tree)})

    def _service(self, path: Path, name: str, tree: Mapping[str, Any]) -> Service | None:
        return self._read(path, Service, {**tree, "name": name, "files": self._placed(path, tree)})

    def _placed(self, path: Path, tree: Mapping[str, Any]) -> tuple[RenderedFile, ...]:
        placed = self._read(path, Placements, {"files": tree["files"]} if "files" in tree else {})
        rendered = [
            self._file((*path, "files", place), one) for place, one in enumerate(placed.files if placed else ())
        ]
        return tuple(file for file in rendered if file is not None)

    def _file(self, path: Path, placement: Placement) -> RenderedFile | None:
        where = placement.model_dump(include={"path", "mode", "uid", "gid"})
        if placement.file is not None:
            content = self._content(path, placement.file)
            return None if content is None else RenderedFile(content=content, digest=digest_of(content), **where)
        match self._text(path, placement.template):
            case Sealed() as text:
                return RenderedFile(content=text.reveal().encode(), digest=text.fingerprint, sealed=True, **where)
            case str() as text:
                content = text.encode()
                return RenderedFile(content=content, digest=digest_of(content), **where)
        return None

    def _text(self, path: Path, template: str | None) -> str | Sealed | None:
        if template is not None and template in self._templates:
            return self._templates[template]
        if template not in self._trees.get("template", {}):  # else its own fault is told
            self.faults.append(self._locate(path, f"there is no template {template!r}"))
        return None

    def _task(self, path: Path, name: str, tree: Mapping[str, Any]) -> OneOff | None:
        inner = tree.get("container")
        if not isinstance(inner, Mapping):
            return self._read(path, OneOff, tree)
        container = self._container((*path, "container"), name, inner)
        return None if container is None else self._read(path, OneOff, {**tree, "container": container})

    def _document(self, path: Path, name: str, tree: Mapping[str, Any]) -> Document | None:
        if "template" not in tree:
            return self._read(path, Document, {**tree, "name": name})
        rendered = self._read(path, RenderedDocument, tree)
        text = self._text(path, rendered.template) if rendered else None
        return None if text is None else self._read(path, Document, {"name": name, "content": text})


def _broken_rules(release: Release, site: Site, known: Known) -> list[Fault]:
    broken = []
    for rule in release.rules:
        asked = sorted(parameters_of(rule.expression))
        if not all(name in known for name in asked):
            continue  # it speaks of what this variant does not use
        path = ("params", *asked[:1])
        try:
            if not judge(rule, known, site.choices):
                values = told_values(rule, known)
                broken.append(site.fault(path, rule.message + (f" ({values})" if values else "")))
        except ValueError as error:
            broken.append(site.fault(path, f"{rule.message}: the rule cannot be judged: {error}"))
    return broken


def _locator(site: Site, variant: Variant) -> Locate:
    def locate(path: Path, message: str) -> Fault:
        waiting = sorted(names(_nearest(variant.objects, path)))
        said = f"{_told_path(path)}: {message}"
        if len(waiting) == 1:
            return site.fault(("params", waiting[0]), f"params.{waiting[0]}: {said}")
        return Fault(said, site.file)

    return locate


def _nearest(tree: Any, path: Path) -> Any:
    """The part of a tree at `path`, or the late value that stands on the way."""
    for key in path:
        match tree:
            case {"$param": _} | {"$text": _}:
                return tree
            case {"kind": kind} if kind == key:
                continue  # a fault in one of several kinds of mount names the kind on its path
            case Mapping() if key in tree:
                tree = tree[key]
            case list() | tuple() if isinstance(key, int) and key < len(tree):
                tree = tree[key]
            case _:
                return None
    return tree


def _told_path(path: Path) -> str:
    kind, name, *inner = map(str, path)
    return f"{kind} {name}" + (f": {'.'.join(inner)}" if inner else "")
