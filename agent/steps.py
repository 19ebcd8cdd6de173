"""All that the agent can do to a site: one frozen class an action, and the plan that gives each its place and reason.

Actions carry all that the switch and its undoing need, so that a journal alone suffices to end what was begun.
"""

from enum import StrEnum
from typing import Annotated, Literal, assert_never

from pydantic import Field

from agent.machines.actions import (
    ChangeMachine,
    CreateMachine,
    DiscardMachine,
    DraftMachine,
    MachineAction,
    MakeDisk,
    ReplaceMachine,
    TakeSnapshot,
)
from agent.swarm.actions import CreateService, DraftService, PushImages, RemoveService, UpdateService
from bundle_format.release.model import DigestText
from bundle_format.release.value import Value

_DRAFT = ".floto-new"
_ASIDE = ".floto-old"
_AGAIN = ".floto-again"


class Phase(StrEnum):
    """The stages of an apply, in their order; each ends before the next begins (APPLY)."""

    STAGE = "stage"
    LOAD = "load"
    PREPARE = "prepare"
    SWITCH = "switch"
    GATE = "gate"
    COMMIT = "commit"
    TIDY = "tidy"


class Limits(Value):
    """What an engine changes on a container that runs on; memory is bytes, processors thousandths, 0 no limit."""

    memory: int = 0
    cpu_millis: int = 0
    restart: str


class Standing(Value):
    """A container as it stood when the plan was made; `well` is False where it was unhealthy or restarting."""

    name: str
    running: bool
    well: bool = True
    grace: int = 10


class LoadImages(Value):
    """Bring images of the release, by their names there, to the engine of a host."""

    kind: Literal["load"] = "load"
    host: str
    images: tuple[str, ...]


class CreateNetwork(Value):
    """Make a network that is missing."""

    kind: Literal["network"] = "network"
    host: str
    network: str


class DoHostStep(Value):
    """Run a program on a host itself unless its check says that it is done; `undo`, if there is one, takes it back."""

    kind: Literal["host_step"] = "host_step"
    host: str
    step: str
    run: tuple[str, ...]
    unless: tuple[str, ...]
    undo: tuple[str, ...] | None
    deadline: int


class CreateVolume(Value):
    """Make a volume that is missing, with its owner and mode."""

    kind: Literal["volume"] = "volume"
    host: str
    volume: str


class Draft(Value):
    """Create a container or a task under its draft name, files inside, not started."""

    kind: Literal["draft"] = "draft"
    host: str
    container: str


class Create(Value):
    """Give a draft its name, start it, and wait until it is healthy."""

    kind: Literal["create"] = "create"
    host: str
    container: str
    grace: int
    deadline: int


class Replace(Value):
    """Stop the container that has the name and set it aside, then do as Create does."""

    kind: Literal["replace"] = "replace"
    host: str
    container: str
    standing: Standing
    grace: int
    deadline: int


class Start(Value):
    """Start a container that is as it shall be but does not run, and wait until it is healthy."""

    kind: Literal["start"] = "start"
    host: str
    container: str
    grace: int
    deadline: int


class Restart(Value):
    """Stop and start a container that is as it shall be but is not well, and wait until it is healthy."""

    kind: Literal["restart"] = "restart"
    host: str
    container: str
    grace: int
    deadline: int


class Update(Value):
    """Change the limits of a container in place; it runs on."""

    kind: Literal["update"] = "update"
    host: str
    container: str
    before: Limits
    after: Limits


class Remove(Value):
    """Stop a container that shall no longer be and set it aside; it goes once all is well."""

    kind: Literal["remove"] = "remove"
    host: str
    container: str
    standing: Standing


class RunTask(Value):
    """Run a one-off task to its end, once; the one of the release before is set aside."""

    kind: Literal["task"] = "task"
    host: str
    task: str
    standing: Standing | None
    grace: int
    deadline: int


class BackUp(Value):
    """Keep a volume's content in the site's store, its users stopped meanwhile."""

    kind: Literal["backup"] = "backup"
    host: str
    volume: str
    users: tuple[Standing, ...]


class Restore(Value):
    """Give a volume the content of a backup, its users stopped before."""

    kind: Literal["restore"] = "restore"
    host: str
    volume: str
    content: DigestText
    users: tuple[Standing, ...]


class Discard(Value):
    """Remove a draft or a container set aside that an earlier apply left behind."""

    kind: Literal["discard"] = "discard"
    host: str
    container: str


Action = Annotated[
    LoadImages
    | DoHostStep
    | CreateNetwork
    | CreateVolume
    | Draft
    | Create
    | Replace
    | Start
    | Restart
    | Update
    | Remove
    | RunTask
    | BackUp
    | Restore
    | Discard
    | MakeDisk
    | DraftMachine
    | CreateMachine
    | ReplaceMachine
    | ChangeMachine
    | DiscardMachine
    | TakeSnapshot
    | PushImages
    | DraftService
    | CreateService
    | UpdateService
    | RemoveService,
    Field(discriminator="kind"),
]


class Step(Value):
    """An action in its place: why it is done, which steps (by number) end before it, and what it costs.

    `bytes` travel to the engine, `seconds` are an estimate of its time, `downtime` of how long something stands still.
    `late`: it is made ready during the switch, for its engine, or its registry, comes up only then.
    """

    action: Action
    why: tuple[str, ...]
    needs: tuple[int, ...] = ()
    bytes: int = 0
    seconds: int = 0
    downtime: int = 0
    late: bool = False

    @property
    def phase(self) -> Phase:
        """In which phase it is done."""
        return Phase.SWITCH if self.late else phase_of(self.action)


class Obstacle(Value):
    """Something that must be settled by a person before a plan can be carried out."""

    message: str
    hint: str


class Plan(Value):
    """What an apply will do, in an order that respects every `needs`; empty where the site is as it shall be.

    `notices` tell of what was seen and is left alone.
    """

    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()


def phase_of(action: Action) -> Phase:
    """In which phase an action is done."""
    match action:
        case LoadImages() | PushImages():
            return Phase.LOAD
        case DoHostStep() | CreateNetwork() | CreateVolume() | Draft() | DraftService() | Discard():
            return Phase.PREPARE
        case MakeDisk() | DraftMachine() | DiscardMachine() | TakeSnapshot():
            return Phase.PREPARE
        case CreateMachine() | ReplaceMachine() | ChangeMachine() | CreateService() | UpdateService() | RemoveService():
            return Phase.SWITCH
        case Create() | Replace() | Start() | Restart() | Update() | Remove() | RunTask() | BackUp() | Restore():
            return Phase.SWITCH
    assert_never(action)


def is_of_machine(action: Action) -> bool:
    """Whether an action is about a machine or data disk, and not about what an engine holds."""
    return isinstance(action, MachineAction)


def draft_name(name: str) -> str:
    """Under which name a container waits for its turn."""
    return f"{name}{_DRAFT}"


def aside_name(name: str) -> str:
    """Under which name the container that ran before waits for the commit."""
    return f"{name}{_ASIDE}"


def again_name(name: str) -> str:
    """Under which name a container is made anew that its engine cannot start any more."""
    return f"{name}{_AGAIN}"


def may_be_last(name: str) -> bool:
    """Whether a container of this name, set aside or made anew, is all there is where nothing has the name itself."""
    return name.endswith((_ASIDE, _AGAIN))


def is_passing(name: str) -> bool:
    """Whether a container of this name is there for one apply only."""
    return name.endswith((_DRAFT, _ASIDE, _AGAIN))
