"""Published ports and places on networks."""

import re
from typing import Any, Final

from builder.language.meaning.binding import Readers
from builder.language.meaning.scalars import is_result, items, list_of, plain, record_of, result_of, told
from builder.language.meaning.spot import Spot

PORT: Final = re.compile(r"(\d{1,5})(?:/(tcp|udp|sctp))?")
_ATTACHMENT: Final[Readers] = {
    "network": ("network", result_of("network")),
    "aliases": ("aliases", plain),
    "address": ("address", plain),
}


def ports(value: Any, spot: Spot) -> list[Any]:
    """`{"8080/tcp": 80}`; the host's port may be text `"ADDRESS:PORT"` or a list."""
    published: list[Any] = []
    for inside, outside in items(value, spot):
        found = PORT.fullmatch(inside)
        if not found:
            spot.at(inside).wrong("must be a container's port such as '8080/tcp' or '53/udp'")
            continue
        for place in outside if isinstance(outside, list) else [outside]:
            spot.at(inside).lead("ports", len(published))
            port = {"container": int(found[1]), "protocol": found[2] or "tcp"} | _outside(place, spot.at(inside))
            if None not in port.values():
                published.append(port)
    return published


def networks(value: Any, spot: Spot) -> Any:
    """Places on networks, of `network()` and `attach()`."""
    return list_of(_place)(value, spot)


def _outside(place: Any, spot: Spot) -> dict[str, Any]:
    if not isinstance(place, str):
        return {"host": plain(place, spot)}
    address, _, port = place.rpartition(":")
    host = int(port) if port.isdecimal() else plain(port, spot)
    return {"host": host} | ({"address": plain(address.strip("[]"), spot)} if address else {})


def _place(value: Any, spot: Spot) -> Any:
    if is_result(value, "network"):
        return {"network": value["name"]}
    if is_result(value, "attach"):
        return record_of("attach", _ATTACHMENT)(value, spot)
    spot.wrong(f"must be network() or attach(), not {told(value)}")
    return None
