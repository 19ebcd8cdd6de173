"""Files, folders, artifacts, archives and templates become entries that mean the same everywhere."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.language.evaluation import ArtifactFile, BuildText, Placed, ProjectFile, ProjectFolder
from builder.layers.archive import Archives
from builder.layers.artifact import Artifact
from builder.layers.contents import Contents
from builder.layers.layer import Entry
from builder.project import Project
from builder.work.ledger import Ledger
from bundle_format.errors import DefinitionError
from bundle_format.release.model import File
from bundle_format.store import Store


class Bench:
    """A project, a store and what turns the one's files into the other's entries."""

    def __init__(self, root: Path, archives: Archives, store: Store) -> None:
        self.root = root
        self.store = store
        self.artifacts: dict[str, Artifact] = {}
        self.contents = Contents(Project(root), self.artifacts, store, archives)

    def artifact(self, name: str, **files: bytes) -> ArtifactFile:
        kept = {}
        for file, content in files.items():
            blob = self.store.add_bytes(content)
            kept[file] = File(digest=blob.digest, size=blob.size)
        self.artifacts[name] = Artifact(kept, folder=len(files) > 1)
        return ArtifactFile(name=name)

    def read(self, path: str, content: Any, **options: Any) -> dict[str, tuple[int, bytes | str]]:
        entries = self.contents.entries([Placed(path=path, content=content, **options)])
        return {entry.path: (entry.mode, _content(entry)) for entry in entries}


def _content(entry: Entry) -> bytes | str:
    if entry.open is None:
        return entry.target or entry.kind
    with entry.open() as stream:
        content = stream.read()
    assert len(content) == entry.size
    return content


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    root = tmp_path / "project"
    (root / "web" / "bin").mkdir(parents=True)
    (root / "web" / "bin" / "run").write_bytes(b"#!/bin/sh")
    (root / "web" / "bin" / "run").chmod(0o700)
    (root / "web" / "page").write_bytes(b"page")
    (root / "web" / "page").chmod(0o600)
    (root / "web" / "link").symlink_to("page")
    (root / "t.j2").write_text("port={{ port }}\n", encoding="utf-8")
    store = Store(tmp_path / "store")
    with Archives(store, Ledger(tmp_path / "ledger")) as archives:
        yield Bench(root, archives, store)


def test_files_and_folders_have_settled_modes(bench: Bench) -> None:
    assert bench.read("/srv/page.html", ProjectFile(path="web/page"), mode=0o640) == {"srv/page.html": (0o640, b"page")}
    assert bench.read("/srv", ProjectFolder(path="web"), mode=0o640) == {
        "srv": (0o750, "folder"),
        "srv/bin": (0o750, "folder"),
        "srv/bin/run": (0o750, b"#!/bin/sh"),
        "srv/link": (0o777, "page"),
        "srv/page": (0o640, b"page"),
    }


def test_artifacts_are_files_or_folders_of_files(bench: Bench) -> None:
    one = bench.artifact("one", **{"app.jar": b"app"})
    many = bench.artifact("many", **{"a.jar": b"a", "b.jar": b"b"})
    assert bench.read("/opt/app.jar", one) == {"opt/app.jar": (0o644, b"app")}
    assert bench.read("/opt/lib/", many) == {
        "opt/lib": (0o755, "folder"),
        "opt/lib/a.jar": (0o644, b"a"),
        "opt/lib/b.jar": (0o644, b"b"),
    }


def test_a_template_is_rendered_before_any_site_is_known(bench: Bench) -> None:
    template = BuildText(path="t.j2", variables={"port": 80})
    assert bench.read("/etc/app.conf", template, mode=0o400) == {"etc/app.conf": (0o400, b"port=80\n")}
    with pytest.raises(DefinitionError, match=r"t\.j2:1: error: 'port' is undefined"):
        bench.read("/etc/app.conf", BuildText(path="t.j2"))


def tar_of(**members: tarfile.TarInfo | bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:xz") as tar:
        for name, said in members.items():
            member = said if isinstance(said, tarfile.TarInfo) else tarfile.TarInfo(name)
            member.name = name
            content = said if isinstance(said, bytes) else b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target.getvalue()


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname, member.mode = kind, target, 0o4711
    return member


def test_a_tar_is_unpacked_without_its_first_steps(bench: Bench) -> None:
    archive = tar_of(
        **{
            "./app-1/": special(tarfile.DIRTYPE),
            "./app-1/a": b"first",
            "./app-1/b/c": b"deep" * 1000,
            "./app-1/hard": special(tarfile.LNKTYPE, "./app-1/a"),
            "./app-1/soft": special(tarfile.SYMTYPE, "a"),
        }
    )
    artifact = bench.artifact("app", **{"app.tar.xz": archive})
    assert bench.read("/opt/app", artifact, unpack=True, strip=1) == {
        "opt/app": (0o755, "folder"),
        "opt/app/a": (0o644, b"first"),
        "opt/app/b/c": (0o644, b"deep" * 1000),
        "opt/app/hard": (0o644, b"first"),
        "opt/app/soft": (0o777, "a"),
    }


def test_a_zip_of_the_project_is_unpacked(bench: Bench) -> None:
    with zipfile.ZipFile(bench.root / "web.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conf/web.xml", "<web/>" * 100)
        runnable = zipfile.ZipInfo("bin/run")
        runnable.external_attr = 0o100755 << 16
        archive.writestr(runnable, "#!/bin/sh")
    assert bench.read("/srv", ProjectFile(path="web.zip"), unpack=True) == {
        "srv": (0o755, "folder"),
        "srv/bin/run": (0o755, b"#!/bin/sh"),
        "srv/conf/web.xml": (0o644, b"<web/>" * 100),
    }


@pytest.mark.parametrize(
    "members",
    [
        {"../../etc/passwd": b"x"},
        {"/etc/passwd": b"x"},
        {"a/../../b": b"x"},
        {"evil\nname": b"x"},
        {"dev": special(tarfile.CHRTYPE)},
        {"pipe": special(tarfile.FIFOTYPE)},
        {"hard": special(tarfile.LNKTYPE, "/etc/passwd")},
    ],
)
def test_threat_20_a_hostile_archive_is_refused(bench: Bench, members: dict[str, Any]) -> None:
    artifact = bench.artifact("evil", **{"evil.tar.xz": tar_of(**members)})
    with pytest.raises(DefinitionError):
        bench.read("/opt", artifact, unpack=True)


def test_what_is_no_archive_is_told(bench: Bench) -> None:
    with pytest.raises(DefinitionError, match="web/page cannot be unpacked"):
        bench.read("/opt", ProjectFile(path="web/page"), unpack=True)


@pytest.mark.parametrize("path", ["/opt/../etc", "/opt//x", "/a\nb", "/./x"])
def test_threat_20_places_must_be_plain(bench: Bench, path: str) -> None:
    with pytest.raises(DefinitionError, match="not a plain path"):
        bench.read(path, ProjectFile(path="web/page"))
