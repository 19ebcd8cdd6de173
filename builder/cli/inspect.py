"""`floto-builder inspect`: what is in a finished bundle; reads its first pages alone."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder.cli.root_file import add_root_option, trust_of
from bundle_format.digest import Digest
from bundle_format.errors import ExitCode
from bundle_format.layout.preamble import Kind
from bundle_format.reader import Bundle, open_bundle
from bundle_format.release.model import Image, Parameter
from bundle_format.shown.sizes import size_text
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder inspect shop-2024.1.floto
  floto-builder inspect shop-2024.1.floto --json
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", nargs="+", type=Path, help="the bundle, or all its parts")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_root_option(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    with open_bundle(arguments.bundle, trust_of(arguments)) as bundle:
        if arguments.json:
            terminal.json(_as_json(bundle))
        else:
            terminal.say("\n".join(_as_text(arguments.bundle[0], bundle)))
    return ExitCode.DONE


def _as_json(bundle: Bundle) -> dict[str, Any]:
    release, index = bundle.release, bundle.index
    return {
        "product": release.product,
        "version": release.version,
        "doc": release.doc,
        "channel": index.channel,
        "sequence": index.sequence,
        "issued": index.issued,
        "expires": index.expires,
        "index": bundle.page.index_digest,
        "size": bundle.page.total,
        "signers": list(bundle.signers.names),
        "root": bundle.signers.root.version,
        "choices": {name: list(choice.options) for name, choice in release.choices.items()},
        "variants": [
            {"when": variant.when, "objects": {kind: sorted(named) for kind, named in variant.objects.items()}}
            for variant in release.variants
        ],
        "images": {name: image.model_dump(mode="json") for name, image in release.images.items()},
        "parameters": {name: one.model_dump(mode="json") for name, one in release.parameters.items()},
        "files": {name: file.model_dump(mode="json") for name, file in release.files.items()},
        "sources": dict(release.sources),
    }


def _as_text(path: Path, bundle: Bundle) -> Iterator[str]:
    release, index, page = bundle.release, bundle.index, bundle.page
    yield f"{release.product} {release.version}" + (f": {release.doc}" if release.doc else "")
    kind = Kind(page.kind).name.lower()
    yield f"  bundle    {path}, {kind}, {size_text(page.total)}, number {index.sequence} of channel {index.channel}"
    yield f"  issued    {_day(index.issued)}" + (f", expires {_day(index.expires)}" if index.expires else "")
    yield f"  digest    {page.index_digest}"
    yield f"  signed    by {', '.join(bundle.signers.names)} (root {bundle.signers.root.version})"
    for variant in release.variants:
        when = ", ".join(f"{name} = {value}" for name, value in variant.when.items()) or "always"
        counts = (f"{len(named)} {kind}" for kind, named in sorted(variant.objects.items()) if named)
        yield f"  variant   {when}: {', '.join(counts)}"
    yield from _table("images", [_image_row(name, image, bundle) for name, image in release.images.items()])
    yield from _table("parameters", [_parameter_row(name, one) for name, one in release.parameters.items()])
    yield from _table("files", [(name, size_text(file.size)) for name, file in release.files.items()])


def _image_row(name: str, image: Image, bundle: Bundle) -> tuple[str, ...]:
    stored = sum(_stored(layer, bundle) for layer in image.layers)
    count = f"{len(image.layers)} layer{'s' if len(image.layers) > 1 else ''}"
    return name, image.tag, size_text(image.size), f"{size_text(stored)} stored", count, image.platform


def _stored(digest: Digest, bundle: Bundle) -> int:
    entry = bundle.entries[digest]
    return sum(frame.stored for frame in bundle.table[entry.first : entry.first + entry.frames])


def _parameter_row(name: str, parameter: Parameter) -> tuple[str, ...]:
    default = "must be given" if parameter.default is None else f"default {parameter.default}"
    return name, parameter.type, default, parameter.doc


def _table(title: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = sorted(rows)
    if rows:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield f"{title}:"
        for row in rows:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


VERB = Verb("inspect", "Show what is in a bundle and who signed it.", _configure, _run, EXAMPLES)
