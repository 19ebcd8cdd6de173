"""Times after the epoch are set to it; all other bytes of a tar stay."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.layers.clamp import clamp_times
from bundle_format.errors import DefinitionError

EPOCH = 1_000_000_000


def tar_of(format_: int, *members: tuple[str, float, bytes], **pax: str) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format_) as tar:
        for name, mtime, content in members:
            member = tarfile.TarInfo(name)
            member.mtime = mtime
            member.size = len(content)
            member.pax_headers = pax
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


def clamped(tar: bytes, epoch: int = EPOCH) -> bytes:
    return b"".join(clamp_times(io.BytesIO(tar), epoch))


def members(tar: bytes) -> list[tuple[str, float, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        return [(m.name, m.mtime, opened.extractfile(m).read()) for m in opened]  # type: ignore[union-attr]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=130)
TIMES = st.one_of(st.integers(0, 2**33), st.floats(0, 2**33).map(lambda x: round(x, 6)))


@given(
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.lists(st.tuples(NAMES, TIMES, st.binary(max_size=1500)), max_size=4),
)
def test_every_member_keeps_name_and_content(format_: int, wanted: list[tuple[str, float, bytes]]) -> None:
    original = tar_of(format_, *wanted)
    before, after = members(original), members(clamped(original))
    assert after == [(name, min(mtime, EPOCH), content) for name, mtime, content in before]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_without_later_times_passes_byte_for_byte(format_: int) -> None:
    original = tar_of(format_, ("a", 5, b"one"), ("b" * 90, EPOCH, b"")) + b"anything after the end"
    assert clamped(original) == original


def test_pax_times_with_fractions_are_clamped_and_other_records_stay() -> None:
    original = tar_of(tarfile.PAX_FORMAT, ("a", EPOCH + 0.25, b"one"), **{"SCHILY.xattr.user.x": "mtime=9999999999\n"})
    assert b"%d.25" % EPOCH in original
    result = clamped(original)
    assert members(result) == [("a", EPOCH, b"one")]
    assert b"SCHILY.xattr.user.x=mtime=9999999999\n" in result


def test_links_and_devices_carry_no_content() -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for kind in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(kind.decode())
            member.type, member.mtime, member.linkname = kind, EPOCH + 1, "1"
            tar.addfile(member)
    with tarfile.open(fileobj=io.BytesIO(clamped(target.getvalue()))) as tar:
        assert [(m.name, m.type, m.mtime) for m in tar] == [(k, k.encode(), EPOCH) for k in "12356"]


@pytest.mark.parametrize(
    "tar", [b"no tar at all" * 100, tar_of(tarfile.GNU_FORMAT, ("a", 1, b"x" * 600))[:700], b"x" * 511]
)
def test_what_is_no_whole_tar_is_refused(tar: bytes) -> None:
    with pytest.raises(DefinitionError):
        clamped(tar)
