"""Which machines an ESX gives power when its own is back, and in which order: those that the agent has given power."""

import threading
from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from agent.labels import Owner
from agent.machines.actions import GRACE
from agent.machines.state import MachineState
from agent.targets.esx.place import Place
from agent.targets.esx.session import Session

_DEFAULT = -1


class Autostart:
    """The list of one host, as far as it is about machines of one product on one site; entries of others stay."""

    def __init__(self, session: Session, place: Place, owner: Owner) -> None:
        self._session = session
        self._owner = owner
        self._lock = threading.Lock()  # machines are started side by side, and have one order
        outside = place.host is not None and not isinstance(place.host.parent, vim.ClusterComputeResource)
        self._manager = place.host.configManager.autoStartManager if outside else None

    def hindrance(self, machines: Mapping[Any, MachineState]) -> str:
        """Why machines do not start by themselves there; empty where they do."""
        if self._manager is None:
            return "in a cluster, vSphere HA is what starts machines again"
        with self._session.errors("looking at autostart"):
            config = self._manager.config
        if config.defaults.enabled or not _entries_of_others(config, self._ours(machines)):
            return ""
        return "it is off on this ESX, and switching it on would start machines of others, too"

    def add(self, managed: Any, machines: Mapping[Any, MachineState]) -> None:
        """Let a machine start by itself in its place among ours, all of them behind those of others."""
        if self._manager is None or machines[managed].autostart is None:
            return
        with self._lock, self._session.errors(f"setting autostart of machine {machines[managed].name}"):
            config, ours = self._manager.config, self._ours(machines)
            others = _entries_of_others(config, ours)
            first = 1 + max((entry.startOrder for entry in others), default=0)
            listed = {entry.key: entry.startOrder for entry in _entries(config) if entry.key in ours}
            order = sorted({*listed, managed}, key=lambda one: (machines[one].autostart or 0, machines[one].name))
            moved = [_entry(one, place) for place, one in enumerate(order, max(first, 1)) if listed.get(one) != place]
            enabled = bool(config.defaults.enabled)
            if moved or not (enabled or others):
                defaults = None if enabled or others else vim.host.AutoStartManager.SystemDefaults(enabled=True)
                self._configure(defaults, moved)

    def remove(self, managed: Any, machine: MachineState) -> None:
        """Let a machine stay without power; done if it does."""
        if self._manager is None or machine.autostart is None:
            return
        with self._lock, self._session.errors(f"taking autostart from machine {machine.name}"):
            if any(entry.key == managed for entry in _entries(self._manager.config)):
                self._configure(None, [_entry(managed, _DEFAULT, "none")])

    def _ours(self, machines: Mapping[Any, MachineState]) -> set[Any]:
        return {managed for managed, one in machines.items() if one.labels and one.labels.owner == self._owner}

    def _configure(self, defaults: Any, entries: list[Any]) -> None:
        assert self._manager is not None
        self._manager.ReconfigureAutostart(vim.host.AutoStartManager.Config(defaults=defaults, powerInfo=entries))


def _entries(config: Any) -> list[Any]:
    """Those that give power; an ESX may also keep some that do not."""
    return [entry for entry in config.powerInfo if entry.startAction.lower() == "poweron"]


def _entries_of_others(config: Any, ours: set[Any]) -> list[Any]:
    return [entry for entry in _entries(config) if entry.key not in ours]


def _entry(managed: Any, place: int, action: str = "powerOn") -> Any:
    """An entry; when the ESX itself shuts down, the guest is asked to, for cutting its power would harm its data."""
    return vim.host.AutoStartManager.AutoPowerInfo(
        key=managed,
        startOrder=place,
        startDelay=_DEFAULT,
        waitForHeartbeat="systemDefault",
        startAction=action,
        stopDelay=GRACE if action == "powerOn" else _DEFAULT,
        stopAction="guestShutdown" if action == "powerOn" else "systemDefault",
    )
