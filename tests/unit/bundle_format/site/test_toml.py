"""TOML with places: everything that a document says is found where it is written."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle_format.release.value import FaultyError, Path
from bundle_format.site.toml import Spot, parse_toml

TEXT = '''# a site
site = "a#=b" # not yet
a.b . "c d" = 1
[params]
x = { file = "s/x", modes = [1, 2] }
 y = """
q = 1
"""
z = ["a", # first
  { k = 2024-01-01 },
]
[[h]]
n = 1
[h.sub]
v = 'C:\\x'
[[h]]
n=2
'''


def test_tables_keys_and_members_are_found_where_they_are_written() -> None:
    spots = parse_toml(TEXT.encode(), "site.toml").spots
    assert spots["site",] == Spot(2, 1, 2, 8)
    assert spots["a", "b", "c d"] == Spot(3, 1, 3, 15)
    assert spots["params",] == Spot(4, 1, 4, 1)
    assert spots["params", "x", "file"] == Spot(5, 7, 5, 14)
    assert spots["params", "x", "modes", 1] == Spot(5, 33, 5, 33)
    assert spots["params", "y"] == Spot(6, 2, 6, 6)
    assert ("params", "q") not in spots
    assert spots["params", "z", 1, "k"] == Spot(10, 5, 10, 9)
    assert spots["h", 0, "sub", "v"] == Spot(15, 1, 15, 5)
    assert spots["h", 1, "n"] == Spot(17, 1, 17, 3)


def test_what_is_missing_is_told_at_what_it_would_stand_in() -> None:
    toml = parse_toml(TEXT.encode(), "site.toml")
    assert toml.nearest(("params", "nothing", "inner")) == Spot(4, 1, 4, 1)
    assert toml.nearest(("nothing",)) == Spot(1, 1, 1, 1)


def test_columns_count_code_points_and_line_ends_of_windows_count_once() -> None:
    spots = parse_toml("\ufeff# ä\r\n'größe' = 1\r\nb = 2\r\n".encode(), "site.toml").spots
    assert spots == {("größe",): Spot(2, 1, 2, 11), ("b",): Spot(3, 1, 3, 5)}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b'a = "C:\\Users"', "site.toml:1:10: error: Invalid hex value (a \\ in double quotes begins an escape: write"),
        (b'a = "C:\\dir"', "site.toml:1:10: error: Unescaped '\\' in a string (a \\ in double quotes"),
        (b"\n\xff\xfea = 1", "site.toml:2: error: the file is no UTF-8 text: save it as UTF-8"),
        (b"\xef\xbb\xbfa = 1\r\nb = ", "site.toml:2:5: error: Invalid value"),
        (b"a = 1\na = 2", "site.toml:2:6: error: Cannot overwrite a value"),
        (b"[a.b]\nc = 1\n[a.b]", "site.toml:3:5: error: [a.b] stands there twice"),
    ],
)
def test_a_document_that_cannot_be_read_is_told_with_its_place_and_the_trap(content: bytes, fault: str) -> None:
    with pytest.raises(FaultyError) as refused:
        parse_toml(content, "site.toml")
    assert str(refused.value).startswith(fault)


BARE_KEYS = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
KEYS = st.one_of(BARE_KEYS, st.sampled_from(['"a b"', "'#'", '"]="', '"\\u00e4"']))
BLANKS = st.sampled_from(["", " ", "\t", "  "])
SCALARS = st.sampled_from(
    [
        "1",
        "-0x1f",
        "1e5",
        "true",
        "1979-05-27 07:32:00",
        '"a # \\" = ]"',
        "'\\'",
        '"""\n[x]\ny = "q"\n"""',
        "'''\n'''''",
    ]
)


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    gap = st.sampled_from(["", " ", "\n", " # ] }\n"])
    members = "".join(draw(gap) + value + draw(gap) + "," for value in draw(st.lists(values, max_size=3)))
    return f"[{members}{draw(gap)}]"


@st.composite
def inline_tables(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(KEYS, max_size=3, unique=True))
    return "{" + ",".join(f"{draw(BLANKS)}{key}{draw(BLANKS)}={draw(BLANKS)}{draw(values)} " for key in keys) + "}"


VALUES = st.recursive(SCALARS, lambda values: st.one_of(arrays(values), inline_tables(values)), max_leaves=6)


@st.composite
def pairs(draw: st.DrawFn) -> str:
    keys = draw(st.lists(KEYS, max_size=3, unique=True))
    blank = partial(draw, BLANKS)
    return "\n".join(f"{blank()}k.{key}{blank()}={blank()}{draw(VALUES)}{blank()}" for key in keys)


@st.composite
def documents(draw: st.DrawFn) -> str:
    tables = draw(st.lists(KEYS, max_size=3, unique=True))
    after = st.sampled_from(["\n", " # [no.header]\n", "\n\n"])
    return draw(pairs()) + "".join(f"\n[{table}.t]{draw(after)}{draw(pairs())}" for table in tables)


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from paths(member, (*path, key))


@given(documents())
def test_every_path_of_any_document_has_its_place(text: str) -> None:
    try:
        toml = parse_toml(text.encode(), "site.toml")
    except FaultyError:
        return  # two spellings of one key
    assert set(paths(dict(toml.value))) == set(toml.spots)
