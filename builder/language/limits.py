"""How much a definition may take before it is refused."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one evaluation: Starlark's steps a run, bytes of memory and output, seconds of processor and clock."""

    steps: int = 5_000_000
    memory: int = 1 << 30
    processor: int = 60
    clock: int = 120
    output: int = 256 << 20


def confine(limits: Limits) -> None:
    """Bind this process to the limits, to few open files, no file written and no process started; for good.

    Windows has none of these bounds: there the parent's clock alone holds.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # Windows has no such module

    bounds = {
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_CPU: limits.processor + 1,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        _, hard = resource.getrlimit(kind)
        lower = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        # One second lies between the signal that says why and the one that ends it.
        resource.setrlimit(kind, (lower - (kind == resource.RLIMIT_CPU), lower))
