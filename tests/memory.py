"""How much memory a process has needed."""

from pathlib import Path


def peak_memory() -> int:
    """The most bytes that this process had resident.

    Not getrusage's figure: that begins with the peak of whoever started the process, so that a test run hides what it
    measures.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
