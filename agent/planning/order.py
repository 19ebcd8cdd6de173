"""The order of steps: what must end before what, told by keys while a plan is made and by numbers in the plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from agent.steps import Action, Obstacle, Phase, Step, phase_of


@dataclass(frozen=True, slots=True)
class Entry:
    """A step to be, whose `needs` are keys of other entries; those that no entry has are met already."""

    action: Action
    why: tuple[str, ...]
    needs: frozenset[str] = frozenset()
    bytes: int = 0
    seconds: int = 0
    downtime: int = 0
    late: bool = False

    @property
    def phase(self) -> Phase:
        """In which phase it is done."""
        return Phase.SWITCH if self.late else phase_of(self.action)


def ordered(entries: Mapping[str, Entry]) -> tuple[Step, ...]:
    """The steps, phase after phase, each behind all that it needs; CycleError of keys when they wait for each other."""
    keys: list[str] = []
    place = {key: number for number, key in enumerate(entries)}
    for phase in Phase:
        chosen = {key: entry for key, entry in entries.items() if entry.phase is phase}
        sorter = TopologicalSorter({key: entry.needs & chosen.keys() for key, entry in chosen.items()})
        sorter.prepare()
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=place.__getitem__)
            keys += ready
            sorter.done(*ready)
    numbers = {key: number for number, key in enumerate(keys)}
    return tuple(_step(entries[key], numbers) for key in keys)


def circle(error: CycleError) -> Obstacle:
    """What to tell a person about steps that wait for each other."""
    keys = [str(key).partition("/")[2] for key in error.args[1]]
    return Obstacle(
        message=f"these wait for each other: {' -> '.join(reversed(keys))}",
        hint="They change places (ports, volumes) or order at once; do it in two releases, or with --only one by one.",
    )


def _step(entry: Entry, numbers: Mapping[str, int]) -> Step:
    return Step(
        action=entry.action,
        why=entry.why,
        needs=tuple(sorted(numbers[key] for key in entry.needs if key in numbers)),
        bytes=entry.bytes,
        seconds=entry.seconds,
        downtime=entry.downtime,
        late=entry.late,
    )
