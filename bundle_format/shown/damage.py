"""What a verification found, for a person."""

from collections.abc import Iterator

from bundle_format.damage import DamageReport, Loss
from bundle_format.errors import ExitCode
from bundle_format.shown.sizes import size_text


def report_lines(place: str, report: DamageReport) -> Iterator[str]:
    """The verdict on what lies at `place`, and each loss with its blob, frames, files and bytes."""
    what, signed = f"{place}: {report.product} {report.release}", f"signed by {', '.join(report.signers)}"
    if not report.losses:
        yield f"{what}, whole, {size_text(report.size)}, {signed}"
    elif report.verdict is ExitCode.DONE:
        yield f"{what}, whole together with the other copies, {signed}"
    else:
        size = size_text(sum(loss.size for loss in report.lost))
        yield f"{what}, NOT whole: {size} of {size_text(report.size)} lost, {signed}"
    yield f"  {report.index}"
    for loss in report.losses:
        yield from _loss_lines(loss)


def _loss_lines(loss: Loss) -> Iterator[str]:
    state = "missing" if loss.missing else "damaged"
    whose, end = f" of {loss.name}" if loss.name else "", "; another copy has it" if loss.healed else ""
    yield f"{state}: {loss.what}{whose}: {', '.join(map(str, loss.spots))}{end}"
    if loss.blob:
        yield f"  blob {loss.blob}"
