"""Fuzzes one target: python -m scripts.fuzz TARGET [libFuzzer's options], for example -max_total_time=60."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

from bundle_format.layout.frames import pack
from bundle_format.layout.preamble import PAGE_SIZE
from scripts.fuzz.resigning import mutate
from scripts.fuzz.targets import TARGETS, segment_of
from tests.bundles import root_document
from tests.forge import forgery_of_file

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"


def seeds(target: str) -> list[bytes]:
    """Where to begin: the vectors, or the piece of one that a target reads."""
    files = [path.read_bytes() for path in sorted(VECTORS.glob("*.floto"))]
    good = forgery_of_file((VECTORS / "frames.floto").read_bytes(), root_document("acme"))
    raw = [b"", b"text " * 300, bytes(range(256)) * 8]
    pieces: dict[str, list[bytes]] = {
        "page": [file[:PAGE_SIZE] for file in files],
        "roots": [root_document("acme").to_bytes()],
        "json": [good.index],
        "index": [good.index + b"\0" + good.table],
        "frame": [_sized(one, pack(one).content) for one in raw],
        "segment": [_sized(one, segment_of(one)) for one in raw],
        "bundle": files,
    }
    return pieces[target]


def _sized(raw: bytes, stored: bytes) -> bytes:
    """What the targets `frame` and `segment` take: three bytes of size before the stored bytes."""
    return max(0, len(raw) - 1).to_bytes(3, "little") + stored


def main() -> None:
    """Fuzz until libFuzzer's options say stop; a finding ends the process with its input and a traceback."""
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(names) != 1 or names[0] not in TARGETS:
        sys.exit(f"usage: python -m scripts.fuzz {{{','.join(TARGETS)}}} [-max_total_time=60]")
    (name,) = names
    options: dict[str, Callable[..., bytes]] = {"custom_mutator": mutate} if name == "bundle" else {}
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(seed)
        arguments = [argument for argument in sys.argv if argument != name]
        atheris.Setup(
            [*arguments, "-timeout=30", "-rss_limit_mb=2048", "-max_len=200000", corpus], TARGETS[name], **options
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
