"""A volume's content in a file and back again, its users stopped meanwhile."""

import tarfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.applying.health import await_health
from agent.applying.means import Means
from agent.interlude import Overwritten, interlude, overwriting
from agent.labels import Adopted, Labels, Owner
from agent.planning.view import spec_in, volumes_of
from agent.state import ContainerState, SiteState
from bundle_format.digest import chunks
from bundle_format.durable import check_place, whole_file
from bundle_format.errors import DamageError, MissingError
from bundle_format.pieces import stream_of

ROOT = "volume"
"""The member of an archive that is the volume's own folder (`Engine.read_volume`)."""

_END = bytes(2 * tarfile.BLOCKSIZE)

DEADLINE = 120
"""Seconds that a user of a volume gets to be well again."""


def host_of(state: SiteState, owner: Owner, volume: str, wanted: str | None, adopted: Collection[Adopted] = ()) -> str:
    """The host that has our volume; MissingError when none has, or several have and none of them is `wanted`."""

    def is_ours(host: str, labels: Labels | None) -> bool:
        taken = Adopted(host=host, kind="volume", key=volume) in adopted
        return labels.owner == owner if labels else taken

    hosts = [
        host
        for host, engine in state.engines.items()
        for held in engine.volumes
        if held.name == volume and is_ours(host, held.labels) and wanted in (None, host)
    ]
    if len(hosts) == 1:
        return hosts[0]
    if hosts:
        raise MissingError(f"volume {volume} is on {', '.join(hosts)}", "Say which one: --host NAME")
    raise MissingError(f"no host that answers has a volume {volume} of ours", "See: floto-agent status --disk")


def users_of(state: SiteState, owner: Owner, host: str, volume: str) -> tuple[ContainerState, ...]:
    """Our containers that have the volume, running or not."""
    return tuple(
        found
        for found in state.engines[host].containers
        if found.labels and found.labels.owner == owner and volume in volumes_of(found)
    )


def back_up(means: Means, host: str, volume: str, users: Sequence[ContainerState], path: Path, *, note: Path) -> None:
    """Write a volume's content to `path` as a tar, whole or not at all, for its owner alone to read.

    `note` is where it is noted (`interlude`) who is stopped meanwhile.
    """
    check_place(path)
    with (
        _stopped(means, host, users, note, f"backup of volume {volume} on {host}"),
        whole_file(path) as file,
        means.progress.task(f"backing up {volume}") as task,
    ):
        Path(file.name).chmod(0o600)
        for piece in means.engine(host).read_volume(volume):
            file.write(piece)
            task.advance(len(piece))


def check_backup(path: Path) -> None:
    """Read a backup to its end; DamageError when it is none or was cut short, MissingError when it is not there."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            foreign = [member.name for member in archive if member.name.split("/")[0] != ROOT]
            # The library takes what it cannot read for the end; the true end is two blocks of zeros.
            file.seek(archive.offset)
            whole = file.read(len(_END)) == _END
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}") from error
    except tarfile.TarError as error:
        raise DamageError(f"{path} is no backup of a volume: {error}", "Nothing was changed.") from error
    if foreign or not whole:
        raise DamageError(f"{path} is no whole backup of a volume", "Nothing was changed.")


def put_back(means: Means, host: str, volume: str, users: Sequence[ContainerState], path: Path, *, note: Path) -> None:
    """Replace a volume's content by a checked backup; where that ends early, what was there before is put back.

    NeedsPersonError where that fails as well: then who uses the volume stays stopped. `note` as for `back_up`.
    """
    engine = means.engine(host)
    with _stopped(means, host, users, note, f"restore of volume {volume} on {host}"):
        before = means.store.add(stream_of(engine.read_volume(volume))).digest
        with (
            overwriting(note, Overwritten(host=host, volume=volume, before=before), means),
            path.open("rb") as file,
            means.progress.task(f"restoring {volume}", path.stat().st_size),
        ):
            engine.write_volume(volume, chunks(file))


@contextmanager
def _stopped(means: Means, host: str, users: Sequence[ContainerState], note: Path, verb: str) -> Iterator[None]:
    engine = means.engine(host)
    running = [user for user in users if user.running]
    with interlude(note, means, verb, [(host, user.name) for user in running]):
        for user in running:
            engine.stop(user.id, spec_in(user).get("stop_grace", 10))
        yield
    for user in running:
        await_health(engine, user.name, DEADLINE, means)
