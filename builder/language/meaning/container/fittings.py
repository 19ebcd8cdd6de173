"""What containers and services are given alike: how their arguments are read."""

from typing import Final

from builder.language.meaning.binding import Readers
from builder.language.meaning.container.health import healthcheck
from builder.language.meaning.scalars import cpu_millis, names_of, plain, record_of, result_of, seconds, size

_LOG: Final[Readers] = {"driver": ("driver", plain), "max_size": ("max_size", size), "max_files": ("max_files", plain)}
_PLAIN: Final = (
    *("command", "entrypoint", "env", "user", "workdir", "hostname", "cap_add", "cap_drop", "read_only", "init"),
    *("stop_signal", "labels", "protect"),
)
FITTINGS: Final[Readers] = {
    **{name: (name, plain) for name in _PLAIN},
    "host": ("host", result_of("host")),
    "image": ("image", result_of("image")),
    "cpus": ("cpu_millis", cpu_millis),
    "memory": ("memory", size),
    "stop_grace": ("stop_grace", seconds),
    "healthcheck": ("healthcheck", healthcheck),
    "health_deadline": ("health_deadline", seconds),
    "log": ("log", record_of("log", _LOG)),
    "after": ("after", names_of("container", "task", "service")),
}
