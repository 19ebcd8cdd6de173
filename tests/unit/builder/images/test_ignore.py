"""A .dockerignore leaves out what docker leaves out."""

import pytest

from builder.images.ignore import Ignore

# From the documentation and the tests of moby/patternmatcher: pattern, path, left out.
CASES = [
    ("*/temp*", "somedir/temporary.txt", True),
    ("*/temp*", "somedir/temp", True),
    ("*/temp*", "somedir/temp/inside", True),
    ("*/temp*", "temp", False),
    ("*/*/temp*", "somedir/subdir/temporary.txt", True),
    ("temp?", "tempa", True),
    ("temp?", "tempab", False),
    ("**/*.go", "main.go", True),
    ("**/*.go", "a/b/main.go", True),
    ("**/*.go", "a/b/main.gone", False),
    ("**", "anything/at/all", True),
    ("a/**", "a", False),
    ("a/**", "a/b/c", True),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("/foo", "foo", True),
    ("foo/", "foo/bar", True),
    ("./foo", "foo", True),
    ("foo/../bar", "bar", True),
    ("[a-c]x", "bx", True),
    ("[^a-c]x", "bx", False),
    ("a\\*b", "a*b", True),
    ("a\\*b", "axb", False),
    ("a.b", "axb", False),
    ("a(b", "a(b", True),
    (".git", "x/.git", False),
    ("# comment", "# comment", False),
    ("żółw", "żółw/dom", True),
]


@pytest.mark.parametrize(("pattern", "path", "left_out"), CASES)
def test_one_pattern(pattern: str, path: str, left_out: bool) -> None:
    assert Ignore([pattern]).leaves_out(path) is left_out


def test_the_last_matching_pattern_decides() -> None:
    ignore = Ignore(["*.md", "!README*.md", "README-secret.md", "", "docs", "! docs/keep.txt"])
    paths = ["CHANGES.md", "README.md", "README-secret.md", "docs", "docs/a", "docs/keep.txt", "other"]
    assert [path for path in paths if not ignore.leaves_out(path)] == ["README.md", "docs/keep.txt", "other"]
