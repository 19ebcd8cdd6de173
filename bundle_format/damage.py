"""What a verification found, in a small text to be carried home: a repair is made for just that (SPEC.md, damage)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from bundle_format.digest import Digest
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.layout.index import Count
from bundle_format.layout.medium import Place
from bundle_format.reader import Bundle
from bundle_format.release.fields import Name, Version
from bundle_format.release.model import DigestText, Release
from bundle_format.release.value import Value
from bundle_format.verify import Damage

FORMAT: Final = "floto-damage/1"

_LIMIT = 64 << 20


class Spot(Value):
    """Where in a file damaged bytes lie: `size` bytes from `offset`, or would if the file were not `missing`."""

    file: str
    offset: Count
    size: Count
    missing: bool = False

    def __str__(self) -> str:
        if self.missing:
            return f"{self.file} (missing)"
        return f"{self.file} bytes {self.offset} to {self.offset + self.size - 1}"


class Loss(Value):
    """Damaged bytes that lie together: `size` of them from `offset` of the bundle, `frames` from the first to the last.

    `blob` is the one that they belong to, if it is one; `name` is what the release calls it, where that can be read;
    `healed`: another copy has them.
    """

    what: str
    offset: Count
    size: Count
    frames: tuple[Count, Count] | None = None
    blob: DigestText | None = None
    name: str = ""
    spots: tuple[Spot, ...]
    healed: bool = False

    @property
    def missing(self) -> bool:
        """Whether a part that is not there would hold them."""
        return any(spot.missing for spot in self.spots)


class DamageReport(Value):
    """One copy of a bundle, or its parts, as they were found; `index` names the bundle, `size` is that of the whole."""

    format: Literal["floto-damage/1"] = FORMAT
    product: Name
    release: Version
    index: DigestText
    size: Count
    signers: tuple[str, ...]
    losses: tuple[Loss, ...]

    @property
    def lost(self) -> tuple[Loss, ...]:
        """What no copy has."""
        return tuple(loss for loss in self.losses if not loss.healed)

    @property
    def verdict(self) -> ExitCode:
        """DONE when the copies together are whole, MISSING when just parts are missing, else DAMAGED."""
        if not self.lost:
            return ExitCode.DONE
        return ExitCode.MISSING if all(loss.missing for loss in self.lost) else ExitCode.DAMAGED


def report_of(bundle: Bundle, damages: Iterable[Damage]) -> DamageReport:
    """What `bundle.verify` found, neighbours told together."""
    return DamageReport(
        product=bundle.index.product,
        release=bundle.index.release,
        index=bundle.page.index_digest,
        size=bundle.page.total,
        signers=bundle.signers.names,
        losses=tuple(_loss(run, _names(bundle)) for run in _runs(damages)),
    )


def read_report(text: bytes) -> DamageReport:
    """A report that came home; FlotoError when it is none."""
    try:
        if len(text) > _LIMIT:
            raise ValueError("too large")
        return DamageReport.model_validate_json(text)
    except ValueError as error:
        raise FlotoError(
            "this is no report of damage", "Write it on site with: floto-agent verify BUNDLE --report FILE"
        ) from error


def frames_to_bring(reports: Iterable[DamageReport], bundle: Bundle) -> list[int]:
    """The frames that a repair for these copies of `bundle` needs; FlotoError when a report is of another bundle."""
    frames = set[int]()
    for report in reports:
        spans = [loss.frames for loss in report.lost if loss.frames]
        if report.index != bundle.page.index_digest or any(last >= len(bundle.table) for _, last in spans):
            raise FlotoError(
                f"the report is of another bundle: {report.product} {report.release}, {report.index}",
                f"This one is {bundle.index.product} {bundle.index.release}, {bundle.page.index_digest}.",
            )
        for first, last in spans:
            frames.update(range(first, last + 1))
    return sorted(frames)


def names_in(release: Release) -> dict[Digest, str]:
    """What a person knows the blobs of a release by."""
    names: dict[Digest, str] = {}
    for path, digest in release.sources.items():
        names[digest] = f"source {path}"
    for name, image in release.images.items():
        names[image.manifest] = f"manifest of image {name}"
        names[image.config] = f"configuration of image {name}"
        for number, layer in enumerate(image.layers, 1):
            names.setdefault(layer, f"layer {number} of {len(image.layers)} of image {name}")
    names |= {file.digest: f"file {name}" for name, file in release.files.items()}
    return names


def _names(bundle: Bundle) -> Mapping[Digest, str]:
    try:
        return {**names_in(bundle.release), bundle.index.definition: "the release itself"}
    except FlotoError:
        return {bundle.index.definition: "the release itself"}


def _runs(damages: Iterable[Damage]) -> Iterator[list[Damage]]:
    run: list[Damage] = []
    for damage in damages:
        if run and not _go_together(run[-1], damage):
            yield run
            run = []
        run.append(damage)
    if run:
        yield run


def _go_together(one: Damage, other: Damage) -> bool:
    if one.offset + one.size != other.offset or one.healed != other.healed:
        return False
    if _is_missing(one) and _is_missing(other):
        return True
    return one.blob is not None and one.blob == other.blob and _is_missing(one) == _is_missing(other)


def _is_missing(damage: Damage) -> bool:
    return any(place.missing for place in damage.places)


def _loss(run: Sequence[Damage], names: Mapping[Digest, str]) -> Loss:
    first, last = run[0], run[-1]
    numbers = [damage.frame for damage in run if damage.frame is not None]
    frames = (numbers[0], numbers[-1]) if numbers else None
    blobs = {damage.blob for damage in run}
    blob = first.blob if len(blobs) == 1 else None
    return Loss(
        what=_what(run, frames),
        offset=first.offset,
        size=last.offset + last.size - first.offset,
        frames=frames,
        blob=blob,
        name=names.get(blob, "") if blob else "",
        spots=tuple(_spots(place for damage in run for place in damage.places)),
        healed=first.healed,
    )


def _what(run: Sequence[Damage], frames: tuple[int, int] | None) -> str:
    if len(run) == 1:
        return run[0].what
    return f"frames {frames[0]} to {frames[1]}" if frames else f"{run[0].what} to {run[-1].what}"


def _spots(places: Iterable[Place]) -> Iterator[Spot]:
    """The places, those that follow one another in a file told as one."""
    held: Spot | None = None
    for place in places:
        if held and held.file == place.name and held.offset + held.size == place.offset:
            held = held.model_copy(update={"size": held.size + place.size})
            continue
        if held:
            yield held
        held = Spot(file=place.name, offset=place.offset, size=place.size, missing=place.missing)
    if held:
        yield held
