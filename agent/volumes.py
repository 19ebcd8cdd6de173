"""A volume's content in a file and back again, its users stopped meanwhile."""

import tarfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.applying.health import await_health
from agent.applying.means import Means
from agent.applying.runner import told
from agent.care import start_again
from agent.labels import Adopted, Labels, Owner
from agent.planning.view import spec_in, volumes_of
from agent.state import ContainerState, SiteState
from bundle_format.digest import Digest, chunks
from bundle_format.durable import whole_file
from bundle_format.errors import DamageError, FlotoError, MissingError, NeedsPersonError
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


def back_up(means: Means, host: str, volume: str, users: Sequence[ContainerState], path: Path) -> None:
    """Write a volume's content to `path` as a tar, whole or not at all, for its owner alone to read."""
    with _stopped(means, host, users), whole_file(path) as file, means.progress.task(f"backing up {volume}") as task:
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


def put_back(means: Means, host: str, volume: str, users: Sequence[ContainerState], path: Path) -> None:
    """Replace a volume's content by a checked backup; where that fails, what was there before is put back.

    NeedsPersonError where that fails as well: then who uses the volume stays stopped.
    """
    engine = means.engine(host)
    with _stopped(means, host, users):
        before = means.store.add(stream_of(engine.read_volume(volume))).digest
        try:
            with path.open("rb") as file, means.progress.task(f"restoring {volume}", path.stat().st_size):
                engine.write_volume(volume, chunks(file))
        except BaseException as error:  # a person's Ctrl-C, too
            _undo(means, host, volume, before=before, path=path, cause=error)
            raise


def _undo(means: Means, host: str, volume: str, *, before: Digest, path: Path, cause: BaseException) -> None:
    means.stop.disregard()
    try:
        with means.store.blob(before) as blob:
            means.engine(host).write_volume(volume, blob.raw())
    except FlotoError as error:
        raise NeedsPersonError(
            f"{told(cause)}\n{told(error)}\nvolume {volume} on {host} is half restored, and its users stay stopped; "
            f"until the next apply the site's store has what it held before as {before}",
            f"Mend the cause, then: floto-agent restore {volume} --from {path} && floto-agent start",
        ) from cause


@contextmanager
def _stopped(means: Means, host: str, users: Sequence[ContainerState]) -> Iterator[None]:
    engine = means.engine(host)
    running = [user for user in users if user.running]
    try:
        for user in running:
            engine.stop(user.id, spec_in(user).get("stop_grace", 10))
        yield
    except NeedsPersonError:
        running.clear()  # nobody shall work on half of the data
        raise
    finally:
        if faults := start_again(means, [(host, user.name) for user in running]):
            raise faults[0]
    for user in running:
        await_health(engine, user.name, DEADLINE, means)
