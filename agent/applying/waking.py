"""Waiting until a machine works: power, then an address that its tools report, then an engine that answers."""

from agent.applying.means import Means
from agent.machines.state import MachineState
from agent.targets.engine import Engine
from agent.targets.hypervisor import Hypervisor
from bundle_format.errors import TargetError

ADDRESS_SECONDS = 300
"""How long a guest may take from power to an address; a first start grows disks and makes keys."""

ENGINE_SECONDS = 300
"""How long from the address, or from when that was given up, to the engine's answer."""

POLL_SECONDS = 2.0


def await_engine(host: str, hypervisor: Hypervisor, machine: str, means: Means) -> Engine:
    """The engine of a machine that was started; TargetError with what is missing and how to look, per gate."""
    began = means.clock.time()
    addressed: float | None = None
    while True:
        found = hypervisor.inspect(machine)
        if found is None or not found.running:
            raise TargetError(
                f"{host}: machine {machine} lost its power while it was awaited",
                f"Look at its console and at the events of hypervisor {hypervisor.name}.",
            )
        now = means.clock.time()
        if found.address and addressed is None:
            addressed = now
        silent: TargetError | None = None
        if addressed is not None or now - began >= ADDRESS_SECONDS:
            try:
                return means.engine(host)
            except TargetError as error:
                silent = error
        since = addressed if addressed is not None else began + ADDRESS_SECONDS
        if silent and now - since >= ENGINE_SECONDS:
            raise _failed(host, hypervisor, found, silent)
        means.pause(POLL_SECONDS)


def _failed(host: str, hypervisor: Hypervisor, found: MachineState, silent: TargetError) -> TargetError:
    if found.address is None:
        return TargetError(
            f"{host}: machine {found.name} has power, but its tools report no address"
            f"{'' if found.tools else ' and do not run'}, and its engine does not answer: {silent.message}",
            f"Look at its console on hypervisor {hypervisor.name}. The machine image needs open-vm-tools, cloud-init "
            "with its VMware datasource, and docker; the network of its first card has to reach this computer.",
        )
    return TargetError(
        f"{host}: machine {found.name} reports the address {found.address}, but its engine does not answer: "
        f"{silent.message}",
        f"Look at it by ssh as user floto with the key ssh_key in the state folder's machines/, or at its console on "
        f"hypervisor {hypervisor.name}: cloud-init status --long; journalctl -u docker. A data disk that is not blank "
        "and not known keeps the engine down.",
    )
