"""Bringing images to a real registry of a site: with a login, without one, and where there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.targets.registry import Registry, is_plain
from bundle_format.errors import TargetError
from bundle_format.progress import Silence
from bundle_format.release.deployment import Access
from tests.contracts.labs import small_image
from tests.images import Shelf
from tests.registries import PASSWORD, USER, PrivateRegistry, missing


@pytest.fixture(scope="module")
def guarded() -> Iterator[PrivateRegistry]:
    if why := missing():
        pytest.skip(why)
    with PrivateRegistry("basic") as private:
        yield private


def registry(private: PrivateRegistry, folder: Path, password: str | None = PASSWORD) -> Registry:
    given = {}
    if password is not None:
        (folder / "password").write_text(f"{password}\n", encoding="utf-8")
        given = {"registry_user": USER, "registry_password": str(folder / "password")}
    return Registry("one", Access(engine="unix:///-", registry=private.host, **given))


def test_with_its_login_an_image_arrives_whole_and_once(guarded: PrivateRegistry, tmp_path: Path) -> None:
    shelf, wanted = Shelf(), registry(guarded, tmp_path)
    one, two = small_image(shelf, "shop/one:1"), small_image(shelf, "shop/two:1")

    assert wanted.lacking([one, two]) == {one.manifest, two.manifest}
    wanted.push([one, two], shelf, Silence())

    assert wanted.lacking([one, two]) == frozenset()
    assert shelf.opened.count(one.layers[0]) == 1, "what both images share travelled twice"
    assert wanted.reference(two) == f"{guarded.host}/shop/two:1@{two.manifest}"


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_right_login_it_says_what_to_give(
    guarded: PrivateRegistry, password: str | None, tmp_path: Path
) -> None:
    shelf = Shelf()
    with pytest.raises(TargetError, match="does not let us in") as refused:
        registry(guarded, tmp_path, password).push([small_image(shelf, "shop/web:9")], shelf, Silence())
    assert "registry_user and registry_password" in refused.value.hint
    assert "wrong" not in refused.value.message


def test_a_login_that_cannot_be_read_is_told(guarded: PrivateRegistry, tmp_path: Path) -> None:
    wanted = registry(guarded, tmp_path)
    (tmp_path / "password").unlink()
    with pytest.raises(TargetError, match=r"password in .* cannot be read"):
        wanted.login()


def test_where_none_answers_that_is_told(tmp_path: Path) -> None:
    nobody = Registry("one", Access(engine="unix:///-", registry="127.0.0.1:1"))
    with pytest.raises(TargetError, match=r"the registry 127\.0\.0\.1:1 cannot be reached"):
        nobody.lacking([small_image(Shelf())])
    with pytest.raises(TargetError, match="names no registry"):
        Registry("one", Access(engine="unix:///-")).lacking([])


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("127.0.0.1:5000", True), ("localhost:5000", True), ("http://10.0.0.5:5000", True),
        ("10.0.0.5:5000", False), ("https://127.0.0.1:5000", False), ("registry.example", False),
    ],
)  # fmt: skip
def test_tls_is_the_rule(given: str, plain: bool) -> None:
    assert is_plain(given) is plain
