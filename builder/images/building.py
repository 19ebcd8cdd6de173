"""Between a Dockerfile and whatever builds it: the order that is given, and the image that comes back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from bundle_format.digest import Digest, hex_of

LENT = "floto.invalid/lent"
"""The repository of images that floto brings to an engine; no registry can ever have that name."""

LOG_TAIL = 20
"""Lines of a failed build's output that its error shows."""


@dataclass(frozen=True, slots=True)
class Held:
    """An image as an engine reports it: its id there and the diff ids of its layers, base first."""

    id: str
    layers: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """A build: its context as a tar, the Dockerfile's path in it, and the engine's name of the network, or `none`."""

    context: BinaryIO
    dockerfile: str
    arguments: Mapping[str, str]
    target: str | None
    network: str
    platform: str


class ImageBuilder(Protocol):
    """What builds an image in an engine."""

    @property
    def kind(self) -> str:
        """Which builder it is: others make other layers of the same order."""

    def build(self, order: BuildOrder, log: Callable[[str], None]) -> Held:
        """Build and return the image, which bears no name; `log` gets every line. DefinitionError if it fails."""


def lent_name(config: Digest) -> str:
    """The name under which an engine is lent the image of that configuration."""
    return f"{LENT}:{hex_of(config)}"


def failed_build(lines: list[str]) -> str:
    """What to say of a build that failed after saying `lines`."""
    return "the build failed\n" + "\n".join(f"  {line}" for line in lines[-LOG_TAIL:])
