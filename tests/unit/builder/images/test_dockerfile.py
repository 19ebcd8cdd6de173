"""Which images a Dockerfile takes from is read as docker reads it."""

import pytest

from builder.images.dockerfile import Bases, bases_of, with_bases
from bundle_format.errors import DefinitionError

STAGES = """\
# syntax comment
ARG VERSION=12
ARG IMAGE="debian:${VERSION}"
FROM --platform=linux/amd64 $IMAGE AS Build
RUN apt-get update && \\
    # a comment in the middle

    echo FROM nowhere
RUN <<END cat
FROM inside-a-heredoc
END
COPY --from=busybox:1 /bin/busybox /bin/
FROM ${RUNTIME:-alpine}:${VERSION:+v}$VERSION
COPY --from=build /a /b
COPY --from=0 /a /b
RUN --mount=type=bind,from=tools:2,target=/t ls
from build as last
"""


def test_stages_arguments_and_copies_are_followed() -> None:
    assert bases_of(STAGES, {}, None) == Bases(("debian:12", "busybox:1", "alpine:v12", "tools:2"), "debian:12")
    assert bases_of(STAGES, {"VERSION": "13"}, "BUILD") == Bases(("debian:13", "busybox:1"), "debian:13")
    assert bases_of("FROM scratch\nCOPY a /\n", {}, None) == Bases((), None)


def test_bases_get_other_names_and_all_other_lines_stay() -> None:
    names = {"debian:12": "lent:1", "busybox:1": "lent:2", "tools:2": "lent:3"}
    renamed = with_bases(STAGES, {}, names)
    assert bases_of(renamed, {}, None) == Bases(("lent:1", "lent:2", "alpine:v12", "lent:3"), "lent:1")
    changed = [(a, b) for a, b in zip(STAGES.splitlines(), renamed.splitlines(), strict=True) if a != b]
    assert changed == [
        ("FROM --platform=linux/amd64 $IMAGE AS Build", "FROM --platform=linux/amd64 lent:1 AS Build"),
        ("COPY --from=busybox:1 /bin/busybox /bin/", "COPY --from=lent:2 /bin/busybox /bin/"),
        (
            "RUN --mount=type=bind,from=tools:2,target=/t ls",
            "RUN --mount=type=bind,from=lent:3,target=/t ls",
        ),
    ]


def test_the_escape_directive_is_heeded() -> None:
    text = "# escape=`\nFROM one\nRUN dir c:\\\nFROM `\n  two\n"
    assert bases_of(text, {}, None).images == ("one", "two")


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("RUN x\n", None, "no FROM"),
        ("FROM a\n", "test", "no stage test"),
        ("ARG BASE\nFROM $BASE\n", None, "no value"),
        ("FROM a AS\n", None, "cannot be read"),
    ],
)
def test_faults_are_told(text: str, target: str | None, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        bases_of(text, {}, target)
