"""What is in a bundle, as text and as JSON."""

from collections.abc import Iterator
from typing import Any

from bundle_format.digest import Digest
from bundle_format.layout.index import Index
from bundle_format.layout.preamble import Kind
from bundle_format.reader import Bundle
from bundle_format.release.late import as_text
from bundle_format.release.model import Image, Parameter
from bundle_format.shown.sizes import size_text
from bundle_format.shown.table import table
from bundle_format.site.parameters import written
from bundle_format.trust.admission import DAY, day


def age_text(index: Index, now: int) -> str:
    """How old a release is at `now`, in seconds since 1970 UTC, and where it stands: who is sent old ones sees it."""
    age = max(0, now - index.issued) // DAY
    expires = f", expires {day(index.expires)}" if index.expires else ""
    old = f"{age} day{'s' if age != 1 else ''} old"
    return f"{day(index.issued)}, {old}, number {index.sequence} of channel {index.channel}{expires}"


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
        "sites": None if index.sites is None else list(index.sites),
        "architectures": list(index.architectures),
        "agent": index.agent,
        "bases": [base.model_dump(mode="json") for base in index.bases],
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


def bundle_lines(place: str, bundle: Bundle, now: int) -> Iterator[str]:
    """What is in the bundle at `place` and who signed it, for a person who reads this `now`."""
    release, index, page = bundle.release, bundle.index, bundle.page
    yield f"{release.product} {release.version}" + (f": {release.doc}" if release.doc else "")
    kind = Kind(page.kind).name.lower()
    yield f"  bundle    {place}, {kind}, {size_text(page.total)}"
    yield f"  issued    {age_text(index, now)}"
    yield f"  digest    {page.index_digest}"
    yield f"  signed    by {', '.join(bundle.signers.names)} (root {bundle.signers.root.version})"
    yield from _terms(index)
    for variant in release.variants:
        when = ", ".join(f"{name} = {as_text(option)}" for name, option in variant.when.items()) or "always"
        counts = (f"{len(named)} {kind}" for kind, named in sorted(variant.objects.items()) if named)
        yield f"  variant   {when}: {', '.join(counts)}"
    yield from table("images", sorted([_image_row(name, image, bundle) for name, image in release.images.items()]))
    yield from table("parameters", sorted([_parameter_row(name, one) for name, one in release.parameters.items()]))
    yield from table("files", sorted([(name, size_text(file.size)) for name, file in release.files.items()]))


def _terms(index: Index) -> Iterator[str]:
    """What a site must be or have to take the bundle."""
    if index.sites is not None:
        yield f"  for       {', '.join(index.sites) or 'no site'}"
    needs = [*(index.architectures), *([f"agent {index.agent} or newer"] if index.agent else [])]
    if needs:
        yield f"  needs     {', '.join(needs)}"
    for base in index.bases:
        yield f"  counts on release {base.release}, bundle {base.index}: {len(base.blobs)} of its blobs"


def _image_row(name: str, image: Image, bundle: Bundle) -> tuple[str, ...]:
    stored = sum(_stored(layer, bundle) for layer in image.layers)
    count = f"{len(image.layers)} layer{'s' if len(image.layers) > 1 else ''}"
    return name, image.tag, size_text(image.size), f"{size_text(stored)} stored", count, image.platform


def _stored(digest: Digest, bundle: Bundle) -> int:
    entry = bundle.entries[digest]
    return sum(frame.stored for frame in bundle.table[entry.first : entry.first + entry.frames])


def _parameter_row(name: str, parameter: Parameter) -> tuple[str, ...]:
    default = "must be given" if parameter.default is None else f"default {written(parameter.default, parameter)}"
    return name, parameter.type, default, parameter.doc
