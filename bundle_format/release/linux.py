"""What Linux calls its signals, its capabilities and the limits of its processes, as engines take these names."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator

_SIGNALS: Final = {
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN",
    "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
    *(f"RTMIN+{number}" for number in range(1, 16)),
    *(f"RTMAX-{number}" for number in range(1, 15)),
    *map(str, range(1, 65)),
}  # fmt: skip
_CAPABILITIES: Final = {
    "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN",
    "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE",
    "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT",
    "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
    "WAKE_ALARM",
}  # fmt: skip


def _signal(name: str) -> str:
    if name.upper().removeprefix("SIG") not in _SIGNALS:
        raise ValueError("must be a signal such as SIGTERM, SIGRTMIN+3 or 15")
    return name


def _capability(name: str) -> str:
    if name.upper() != "ALL" and name.upper().removeprefix("CAP_") not in _CAPABILITIES:
        raise ValueError("must be a capability such as NET_ADMIN, or ALL")
    return name


Signal = Annotated[str, AfterValidator(_signal)]
"""A signal by its name, with or without SIG before it, or by its number."""

Capability = Annotated[str, AfterValidator(_capability)]
"""A capability, with or without CAP_ before it (capabilities(7)), or all of them."""

Limit = Literal[
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
]  # fmt: skip
"""What of a process is limited (getrlimit(2), without the RLIMIT_ before it)."""
