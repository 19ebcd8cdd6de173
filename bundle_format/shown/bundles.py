"""What is in a bundle and what a verification found, as text and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bundle_format.digest import Digest
from bundle_format.layout.preamble import Kind
from bundle_format.reader import Bundle
from bundle_format.release.model import Image, Parameter
from bundle_format.shown.sizes import size_text
from bundle_format.verify import Damage


def verdict_json(bundle: Bundle, damages: Sequence[Damage]) -> dict[str, Any]:
    """What a verification found, for a script."""
    return {
        "product": bundle.index.product,
        "release": bundle.index.release,
        "index": bundle.page.index_digest,
        "signers": list(bundle.signers.names),
        "damage": [str(damage) for damage in damages],
    }


def verdict_lines(path: Path, bundle: Bundle, damages: Sequence[Damage]) -> Iterator[str]:
    """What a verification found, for a person."""
    if damages:
        yield from (f"damaged: {damage}" for damage in damages)
        return
    yield f"{path}: whole, {size_text(bundle.page.total)}, signed by {', '.join(bundle.signers.names)}"
    yield f"  {bundle.page.index_digest}"


def bundle_json(bundle: Bundle) -> dict[str, Any]:
    """What is in a bundle, for a script."""
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


def bundle_lines(path: Path, bundle: Bundle) -> Iterator[str]:
    """What is in a bundle and who signed it, for a person."""
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
