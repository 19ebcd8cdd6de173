"""The life of containers on one engine: drafted with their files, named, started, run, stopped, removed."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from agent.labels import Labels, Owner, labels_from
from agent.steps import Limits, again_name
from agent.targets.docker.connection import Connection, RefusedError, SilentError
from agent.targets.docker.creating import FILES_OF, body_again, container_body, endpoint, files_folders, limits_body
from agent.targets.docker.files import carry_over, put_files
from agent.targets.docker.logs import log_lines, next_moment
from agent.targets.docker.volumes import ROOT
from agent.targets.engine import LogLine
from bundle_format.errors import TargetError
from bundle_format.release.deployment import Container
from bundle_format.release.fittings import RenderedFile, VolumeMount

START_SECONDS = 180
STOP_SECONDS = 60
"""What an engine may need for a stop beyond the container's own grace."""

KILLED = 137
"""The exit code of a program that was killed."""

MOST_STARTS = 3

QUIET_SECONDS = 1
"""How long a container must have run before its engine has surely told of the end of an earlier start."""

STOP_GRACE = 10
"""An engine's own, where a container says nothing else."""

LISTEN_SECONDS = 20
"""How long a container may be silent before its logs are asked for anew, lest a dead engine be waited for."""


class Containers:
    """The containers of one owner on one engine."""

    def __init__(self, connection: Connection, owner: Owner, clock: Callable[[], float]) -> None:
        """`clock` counts seconds, from any beginning."""
        self._connection = connection
        self._owner = owner
        self._clock = clock
        self.adopted = frozenset[str]()
        """Ids of containers without our labels that we may change all the same."""

    def create(self, container: Container, name: str, labels: Labels, image: str) -> str:
        """Draft a container; nothing of it stays if that fails."""
        draft = self._connection.find(f"/containers/{name}/json")
        if draft and draft["State"]["Status"] == "created" and self._is_ours(draft["Config"]["Labels"]):
            self._discard(draft)
        body = container_body(container, labels, image, self._ground(container))
        joining = {place.network: endpoint(container, place) for place in container.networks[1:]}

        def fill(made: str) -> None:
            for folder, files in _by_folder(container).items():
                put_files(self._connection, made, folder, files)

        return self._make(name, body, joining, fill)

    def _make(self, name: str, body: Any, joining: Mapping[str, Any], fill: Callable[[str], None]) -> str:
        made: str = self._connection.post("/containers/create", body, name=name)["Id"]
        try:
            for network, place in joining.items():
                self._connection.post(f"/networks/{network}/connect", {"Container": made, "EndpointConfig": place})
            fill(made)
        except TargetError:
            with suppress(TargetError):
                self._connection.delete(f"/containers/{made}", force=True)
            raise
        return made

    def rename(self, key: str, name: str) -> None:
        """Give a container of ours a name."""
        found = self._own(key)
        if found["Name"] != f"/{name}":
            self._connection.post(f"/containers/{found['Id']}/rename", name=name)

    def start(self, key: str) -> None:
        """Start a container of ours, or let it go on; one that the engine cannot start any more is made anew."""
        if self._own_or_none(key) is None and self._own_or_none(again_name(key)):
            self.rename(again_name(key), key)
        found = self._own(key)
        try:
            self._launch(found)
        except RefusedError as refused:
            if not _is_half_started(found, refused.message) or found["Id"] in self.adopted:
                raise
            self._make_anew(found)
            self._launch(self._own(found["Name"].removeprefix("/")))
        else:
            if found["Id"] not in self.adopted and self._is_killed_over_and_over(found["Id"]):
                self._launch_without_policy(found)

    def _launch(self, found: Any) -> None:
        if found["State"]["Paused"]:
            self._connection.post(f"/containers/{found['Id']}/unpause")
        elif found["State"]["Status"] not in ("running", "restarting"):
            self._connection.post(f"/containers/{found['Id']}/start", seconds=START_SECONDS)

    def _is_killed_over_and_over(self, container: str) -> bool:
        state = self._own(container)["State"]
        return bool(state["Status"] == "restarting" and state["ExitCode"] == KILLED and not state["OOMKilled"])

    def _launch_without_policy(self, found: Any) -> None:
        """Run what Docker 26, had it died in the middle of a start, would start and kill over and over.

        Before each start it clears the half of the one before away, and takes the end of that for the end of the new
        one. A container that is not to be restarted ends by that at most once.
        """
        update = f"/containers/{found['Id']}/update"
        self._connection.post(update, {"RestartPolicy": {"Name": "no"}})
        try:
            self.stop(found["Id"], 0)
            for _ in range(MOST_STARTS):
                self._launch(self._own(found["Id"]))
                if self._runs_on(found["Id"]):
                    break
        finally:
            self._connection.post(update, {"RestartPolicy": found["HostConfig"]["RestartPolicy"]})
        self._launch(self._own(found["Id"]))  # what ends like this by itself is its policy's again

    def _runs_on(self, container: str) -> bool:
        try:
            self._connection.post(f"/containers/{container}/wait", seconds=QUIET_SECONDS, condition="not-running")
        except SilentError:
            return True
        return False

    def _make_anew(self, found: Any) -> None:
        """Put a container of the same making and content in the place of one; `start` ends what is cut short here."""
        name = found["Name"].removeprefix("/")
        if spare := self._own_or_none(again_name(name)):
            self._discard(spare)
        body, joining = body_again(found)
        made = self._make(again_name(name), body, joining, lambda made: carry_over(self._connection, found, made))
        self._discard(found)
        self.rename(made, name)

    def update(self, key: str, limits: Limits) -> None:
        """Give a container of ours other limits in place."""
        found = self._own(key)
        if body := limits_body(found["HostConfig"], limits):
            self._connection.post(f"/containers/{found['Id']}/update", body)

    def stop(self, key: str, grace: int) -> None:
        """Stop a container of ours with its own signal."""
        found = self._own_or_none(key)
        if found is None or found["State"]["Status"] not in ("running", "restarting", "paused"):
            return
        if found["State"]["Paused"]:
            self._connection.post(f"/containers/{found['Id']}/unpause")
        self._connection.post(f"/containers/{found['Id']}/stop", seconds=grace + STOP_SECONDS, t=grace)

    def remove(self, key: str) -> None:
        """Remove a container of ours that does not run."""
        found = self._own_or_none(key)
        if found is None:
            return
        if found["State"]["Running"]:
            raise TargetError(
                f"{self._connection.host}: container {key} still runs and was not removed", "stop it first"
            )
        self._discard(found)

    def run(self, key: str, deadline: int, output: Callable[[LogLine], None]) -> int:
        """Run a container of ours to its end; its exit code."""
        found = self._own(key)
        if found["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no"):
            raise TargetError(f"{self._connection.host}: task {key} would be restarted for ever, and was not run")
        if found["State"]["Status"] == "created":
            self._launch(found)  # never anew: where its engine cannot start it, it may have run
        end = self._clock() + deadline
        for line in self._followed(found["Id"], found["Name"].removeprefix("/"), end):
            output(line)
            if self._clock() > end:
                break
        try:
            left = max(end - self._clock(), 1)
            ended = self._connection.post(f"/containers/{found['Id']}/wait", seconds=left, condition="not-running")
        except SilentError as silent:
            grace = found["Config"].get("StopTimeout")
            self.stop(key, STOP_GRACE if grace is None else grace)
            raise TargetError(
                f"{self._connection.host}: task {key} had not ended after {deadline} s and was stopped",
                "its output is kept: docker logs shows it",
            ) from silent
        return int(ended["StatusCode"])

    def logs(self, key: str, since: int | None, tail: int | None) -> Iterator[LogLine]:
        """What a container, ours or not, has written so far."""
        return self._lines(key, key, {"since": since or "", "tail": "all" if tail is None else tail})

    def follow(self, key: str, since: int | None, tail: int | None) -> Iterator[LogLine]:
        """What a container has written and writes, until it ends."""
        last = ""
        for line in self.logs(key, since, tail):
            last = line.time
            yield line
        yield from self._followed(key, key, None, next_moment(last) if last else str(since or ""))

    def _followed(self, key: str, name: str, end: float | None, since: str = "") -> Iterator[LogLine]:
        ended = False
        while not ended and (end is None or self._clock() < end):
            seconds = LISTEN_SECONDS if end is None else max(min(LISTEN_SECONDS, end - self._clock()), 1)
            with suppress(SilentError):
                for line in self._lines(key, name, {"since": since, "follow": True}, seconds):
                    since = next_moment(line.time)
                    yield line
                ended = True
        # An engine that follows may miss a last line without a line end.
        yield from self._lines(key, name, {"since": since})

    def _lines(
        self, key: str, name: str, asked: Mapping[str, str | int | bool], seconds: float | None = None
    ) -> Iterator[LogLine]:
        query = {"stdout": True, "stderr": True, "timestamps": True, **asked}
        with self._connection.stream("GET", f"/containers/{key}/logs", query=query, seconds=seconds) as response:
            yield from log_lines(name, response.iter_content(None))

    def _ground(self, container: Container) -> set[str]:
        """Look that all that a container stands on is there; the volumes whose root no image may change.

        An engine would make a missing volume itself, empty and not ours, and miss a network only at the start.
        """
        for place in container.networks:
            self._find(container, "network", place.network)
        volumes = {mount.volume for mount in container.mounts if isinstance(mount, VolumeMount)}
        return {name for name in volumes if ROOT in (self._find(container, "volume", name)["Labels"] or {})}

    def _find(self, container: Container, kind: str, name: str) -> Any:
        found = self._connection.find(f"/{kind}s/{name}")
        if found is None:
            raise TargetError(
                f"{self._connection.host}: {kind} {name} of container {container.name} has gone; nothing was changed",
                "run the same command again: it makes what is missing",
            )
        return found

    def _discard(self, found: Any) -> None:
        self._connection.delete(f"/containers/{found['Id']}")
        if found["HostConfig"]["ReadonlyRootfs"]:
            filters = json.dumps({"label": [FILES_OF], "dangling": ["true"]})
            for volume in self._connection.get("/volumes", filters=filters)["Volumes"] or ():
                self._connection.delete(f"/volumes/{volume['Name']}")

    def _own(self, key: str) -> Any:
        found = self._own_or_none(key)
        if found is None:
            raise gone(self._connection.host, f"container {key}")
        return found

    def _own_or_none(self, key: str) -> Any:
        found = self._connection.find(f"/containers/{key}/json")
        if found and found["Id"] not in self.adopted and not self._is_ours(found["Config"]["Labels"]):
            raise not_ours(self._connection.host, f"container {found['Name'].removeprefix('/')}")
        return found

    def _is_ours(self, labels: dict[str, str] | None) -> bool:
        known = labels_from(labels or {})
        return known is not None and known.owner == self._owner


def gone(host: str, what: str) -> TargetError:
    """Why nothing can be done with what the release has."""
    return TargetError(
        f"{host}: there is no {what}; nothing was changed",
        "somebody removed it: floto-agent apply makes it anew, and so does floto-agent verify --installed --repair",
    )


def not_ours(host: str, what: str) -> TargetError:
    """Why something is left alone."""
    return TargetError(
        f"{host}: {what} was not made by floto for this product and site, and was not touched",
        "rename or remove it by hand if it is in the way",
    )


def _is_half_started(found: Any, said: str) -> bool:
    """Whether an engine that died in the middle of a start finds the half of it in its way (Docker 20.10, for ever)."""
    return "id already in use" in said or (found["Id"] in said and "exists" in said)


def _by_folder(container: Container) -> dict[str, list[RenderedFile]]:
    """The rendered files by the folder to unpack them in: the root, unless that cannot be written."""
    grouped: dict[str, list[RenderedFile]] = {}
    places = [*files_folders(container), *(mount.path for mount in container.mounts)] if container.read_only else ["/"]
    for file in container.files:
        around = [place for place in places if PurePosixPath(file.path).is_relative_to(place)]
        grouped.setdefault(max(around, key=len), []).append(file)
    return grouped
