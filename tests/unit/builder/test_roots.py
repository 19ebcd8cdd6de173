"""`root.toml` and the folder of root documents."""

from pathlib import Path

import pytest

from builder.keys import begin_product, make_key
from builder.roots import draft_root, owners_text, read_chain, root_file, says_the_same
from bundle_format.errors import DefinitionError, FlotoError
from bundle_format.trust.trust import trust_in
from tests.bundles import key

START = 1_700_000_000


def begin(folder: Path) -> None:
    files = make_key(folder, "shop", b"\1" * 32, b"", b"\2" * 32)
    begin_product(folder, "shop", ["stable", "beta"], files, START)


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "root.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_new_product_has_a_root_that_a_site_can_enrol(tmp_path: Path) -> None:
    begin(tmp_path)
    chain = read_chain(tmp_path)
    assert chain.newest.channels == {"stable": 0, "beta": 0}
    assert chain.trust() == trust_in(*chain.documents)
    assert chain.to_sections() == (root_file(tmp_path, 1).read_bytes(),)


def test_an_unedited_file_asks_for_nothing_new(tmp_path: Path) -> None:
    begin(tmp_path)
    newest = read_chain(tmp_path).newest
    assert says_the_same(draft_root(tmp_path, START + 5), newest)
    edit(tmp_path, '"stable" = 0', '"stable" = 7')
    assert not says_the_same(draft_root(tmp_path, START + 5), newest)


def test_an_edit_becomes_the_next_root(tmp_path: Path) -> None:
    begin(tmp_path)
    edit(tmp_path, "[channels]", "expires_unknown = 1\n[channels]")
    with pytest.raises(DefinitionError, match="unknown key"):
        draft_root(tmp_path, START)
    edit(tmp_path, "expires_unknown = 1\n", "")
    edit(tmp_path, 'product = "shop"', 'product = "shop"\nexpires = 2030-12-31')
    root = draft_root(tmp_path, START + 1)
    assert (root.version, root.expires) == (2, 1_924_991_999)


def test_every_fault_is_told_by_line_and_column(tmp_path: Path) -> None:
    begin(tmp_path)
    edit(tmp_path, '"shop" = "shop.pub"', '"shop" = "shop.pub"\n"ann" = "ann.pub"\n"bob" = "root.toml"')
    edit(tmp_path, 'release = { keys = ["shop"], threshold = 1 }', 'release = { keys = ["zoe"], threshold = 2 }')
    edit(tmp_path, '"stable" = 0\n"beta" = 0\n', "")
    with pytest.raises(DefinitionError) as refusal:
        draft_root(tmp_path, START)
    told = refusal.value.message.splitlines()
    assert [line.removeprefix(f"{tmp_path / 'root.toml'}:").split(" ")[0] for line in told] == [
        "6:1:",
        "7:1:",
        "11:1:",
        "11:1:",
        "14:1:",
    ]
    for fault in (
        "No such file",
        "no PEM public key",
        "no key is named 'zoe'",
        "2 signatures are asked",
        "at least one",
    ):
        assert fault in refusal.value.message


def test_wrong_types_are_told_too(tmp_path: Path) -> None:
    begin(tmp_path)
    edit(tmp_path, '"stable" = 0', '"stable" = "none"')
    edit(tmp_path, 'product = "shop"', 'product = "shop"\nexpires = "soon"')
    with pytest.raises(DefinitionError, match=r"(?s):3:1: error: expires: .*channels.stable: must be a whole number"):
        draft_root(tmp_path, START)


def test_two_names_for_one_key_are_one_too_many(tmp_path: Path) -> None:
    begin(tmp_path)
    edit(tmp_path, '"shop" = "shop.pub"', '"shop" = "shop.pub"\n"twin" = "shop.pub"')
    with pytest.raises(DefinitionError, match="under two names"):
        draft_root(tmp_path, START)


def test_a_root_that_no_site_could_read_is_not_made(tmp_path: Path) -> None:
    begin(tmp_path)
    revoked = "".join(f'"sha256:{number:064x}" = "{"x" * 80}"\n' for number in range(500))
    edit(tmp_path, "[revoked]", f"[revoked]\n{revoked}#")
    with pytest.raises(DefinitionError, match="larger than 65536 bytes"):
        draft_root(tmp_path, START)


def test_a_chain_with_a_gap_or_without_signatures_is_no_chain(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="found: none"):
        read_chain(tmp_path)
    begin(tmp_path)
    edit(tmp_path, '"stable" = 0', '"stable" = 1')
    unsigned = draft_root(tmp_path, START).to_document()
    root_file(tmp_path, 2).write_bytes(unsigned.to_bytes())
    with pytest.raises(DefinitionError, match=r"root-2.* does not hold"):
        read_chain(tmp_path)
    root_file(tmp_path, 2).rename(root_file(tmp_path, 3))
    with pytest.raises(DefinitionError, match="found: 1, 3"):
        read_chain(tmp_path)
    root_file(tmp_path, 3).unlink()
    root_file(tmp_path, 1).write_bytes(b"rubbish")
    with pytest.raises(DefinitionError, match="no root document"):
        read_chain(tmp_path)


def test_nothing_is_ever_written_over(tmp_path: Path) -> None:
    begin(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FlotoError, match="already there"):
        begin(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_private_key_is_for_its_owner_and_not_for_git(tmp_path: Path) -> None:
    begin(tmp_path)
    assert (tmp_path / "shop.key").stat().st_mode & 0o777 == 0o600
    assert "*.key" in (tmp_path / ".gitignore").read_text("utf-8")


def test_names_stay_names_in_the_file() -> None:
    assert '"a.b" = "a.b.pub"' in owners_text("shop", "a.b", ["stable"])
    assert key("x").public != key("y").public
