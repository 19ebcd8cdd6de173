"""Hosts and what they consist of or share: machines, data disks, steps, networks, volumes."""

from collections.abc import Mapping
from typing import Any, Final

from builder.language.hearing import Call
from builder.language.meaning.binding import Readers, bind, read_fields
from builder.language.meaning.scalars import list_of, mode, names_of, plain, record_of, result_of, seconds, size
from builder.language.meaning.spot import Spot
from builder.language.prelude.words import words


def read_host_word(call: Call, spot: Spot) -> dict[str, Any]:
    """`host()`, `host_step()`, `network()`, `volume()` or `data_disk()` as the tree of its class."""
    tree = read_fields(_WORDS[call.word], bind(words()[call.word], call.given, call.named, spot), spot)
    return tree | ({"kind": "machine"} if "machine" in tree else {})


_NIC: Final[Readers] = {name: (name, plain) for name in ("network", "address", "gateway")}
_MACHINE: Final[Readers] = {
    **{name: (name, plain) for name in ("cpus", "hypervisor", "firmware", "dns", "ntp", "guest", "autostart")},
    **{name: (name, plain) for name in ("power_off", "snapshot")},
    "image": ("image", result_of("machine_image")),
    "memory": ("memory", size),
    "nics": ("nics", list_of(record_of("nic", _NIC))),
    "disks": ("disks", list_of(result_of("data_disk"))),
}
_WORDS: Final[Mapping[str, Readers]] = {
    "host": {"address": ("address", plain), "machine": ("machine", record_of("machine", _MACHINE))},
    "host_step": {
        **{name: (name, plain) for name in ("run", "unless", "undo")},
        "host": ("host", result_of("host")),
        "after": ("after", names_of("host_step")),
        "deadline": ("deadline", seconds),
    },
    "network": {name: (name, plain) for name in ("driver", "subnet", "gateway", "internal")},
    "volume": {"uid": ("uid", plain), "gid": ("gid", plain), "mode": ("mode", mode), "size": ("size", size)},
    "data_disk": {"size": ("size", size), "mount": ("mount", plain), "filesystem": ("filesystem", plain)},
}
