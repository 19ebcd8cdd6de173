"""Why a container is not as it shall be: differences of two specs, and of a spec from what an engine reports."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from agent.state import ContainerState, Settings
from agent.steps import Limits
from bundle_format.release.deployment import Container
from bundle_format.release.fields import Sealed
from bundle_format.release.fittings import HostMount, Mount, RenderedFile, VolumeMount

Spec = Mapping[str, Any]
"""The value of a `floto.spec` label (`spec_of`), as JSON reads it."""

LIVE = ("memory", "cpu_millis", "restart")
"""Options of a spec that an engine changes on a container without making it anew; its label tells the first ones."""

_APART = ("image", "env", "files", *LIVE)


def changes(old: Spec, new: Spec, lines: Mapping[str, str]) -> Iterator[str]:
    """What a release changes on a container; `lines` says for each changed file which lines, never what they hold."""
    if old.get("image") != new.get("image"):
        yield "image changed"
    yield from _changes_of_env(old.get("env", {}), new.get("env", {}))
    yield from _changes_of_files(old.get("files", {}), new.get("files", {}), lines)
    for key in sorted((set(old) | set(new)) - set(_APART)):
        if old.get(key) != new.get(key):
            yield f"{key.replace('_', ' ')} {_how(key in old, key in new)}"


def lasting(spec: Spec) -> Spec:
    """What of a spec only a new container can change."""
    return {key: value for key, value in spec.items() if key not in LIVE}


def limits_of(thing: Container | Settings) -> Limits:
    """The limits that a container shall have, or has."""
    return Limits(memory=thing.memory or 0, cpu_millis=thing.cpu_millis or 0, restart=thing.restart)


def can_be_updated(before: Limits, after: Limits) -> bool:
    """Whether an engine can change limits in place, and back: it can neither begin with a limit nor drop one so."""
    pairs = ((before.memory, after.memory), (before.cpu_millis, after.cpu_millis))
    return all(bool(was) == bool(is_now) for was, is_now in pairs)


def limit_changes(before: Limits, after: Limits, *, by_hand: bool) -> Iterator[str]:
    """What differs between the limits that a container has and those that it shall have."""
    for name, was, is_now in (
        ("memory", before.memory, after.memory),
        ("cpus", before.cpu_millis, after.cpu_millis),
        ("restart policy", before.restart, after.restart),
    ):
        if was != is_now:
            yield f"drift: {name} edited by hand" if by_hand else f"{name} {_how(bool(was), bool(is_now))}"


def drift(wanted: Container, image: str | None, found: ContainerState) -> Iterator[str]:
    """What somebody changed by hand on a container that was made from the right spec, its limits aside."""
    settings = found.settings
    if image is not None and found.image != image:
        yield "drift: runs another image"
    yield from _drift_of_env(wanted, settings)
    if sorted(_networks(wanted)) != sorted(settings.networks):
        yield "drift: networks edited by hand"
    if sorted(map(_mount_text, wanted.mounts)) != sorted(settings.mounts):
        yield "drift: mounts edited by hand"
    for option, wish, reported in _options(wanted, settings):
        if wish is not None and wish != reported:
            yield f"drift: {option} edited by hand"


def changed_lines(old: bytes | None, new: bytes) -> str:
    """Where `new` differs from `old`, as "line 12" or "lines 12-15" of the new text; empty where that says nothing."""
    if old is None or b"\0" in old or b"\0" in new:
        return ""
    before, after = old.splitlines(), new.splitlines()
    first = _same(before, after)
    last = len(after) - _same(before[first:][::-1], after[first:][::-1])
    if first + 1 >= last:
        return f"line {min(first + 1, max(len(after), 1))}"
    return f"lines {first + 1}-{last}"


def files_to_compare(old: Spec, new: Container) -> Iterator[RenderedFile]:
    """The files whose old text must be read to tell which lines change."""
    before = old.get("files", {})
    return (file for file in new.files if file.path in before and before[file.path]["digest"] != file.digest)


def _changes_of_env(old: Spec, new: Spec) -> Iterator[str]:
    for name in sorted(set(old) | set(new)):
        if old.get(name) != new.get(name):
            yield f"env {name} {_how(name in old, name in new)}"


def _changes_of_files(old: Spec, new: Spec, lines: Mapping[str, str]) -> Iterator[str]:
    for path in sorted(set(old) | set(new)):
        if path not in old or path not in new:
            yield f"file {path} {_how(path in old, path in new)}"
        elif old[path]["digest"] != new[path]["digest"]:
            where = lines.get(path, "")
            yield f"file {path} changed" + (f": {where}" if where else "")
        elif old[path] != new[path]:
            yield f"file {path} changed: owner or mode"


def _how(was: bool, is_now: bool) -> str:
    if was and is_now:
        return "changed"
    return "added" if is_now else "removed"


def _drift_of_env(wanted: Container, settings: Settings) -> Iterator[str]:
    for name, text in sorted(wanted.env.items()):
        value = text.reveal() if isinstance(text, Sealed) else text
        if settings.env.get(name) != value:
            yield f"drift: env {name} edited by hand"


def _networks(wanted: Container) -> tuple[str, ...]:
    return tuple(place.network for place in wanted.networks) or (wanted.network_mode,)


def _options(wanted: Container, settings: Settings) -> Iterator[tuple[str, Any, Any]]:
    yield "command", wanted.command or None, settings.command
    yield "entrypoint", wanted.entrypoint, settings.entrypoint
    yield "user", wanted.user, settings.user
    yield "workdir", wanted.workdir and posixpath.normpath(wanted.workdir), settings.workdir
    yield "privileged", wanted.privileged, settings.privileged
    yield "read-only root", wanted.read_only, settings.read_only


def _mount_text(mount: Mount) -> str:
    match mount:
        case VolumeMount(volume=source) | HostMount(source=source):
            return f"{mount.kind}:{source}:{mount.path}:{'ro' if mount.read_only else 'rw'}"
    return f"tmpfs::{mount.path}:rw"


def _same(one: list[bytes], other: list[bytes]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
