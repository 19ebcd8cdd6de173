"""The emergency exit: a bundle's images reach an engine with nothing but zstd, tar, docker and skopeo."""

import subprocess
from pathlib import Path

import pytest

from tests import engines
from tests.bundles import Made, make_bundle
from tests.images import busybox_layer

pytestmark = [pytest.mark.engine, pytest.mark.skipif(engines.missing() is not None, reason=str(engines.missing()))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bundle(tmp_path_factory.mktemp("bundle"), layers=(busybox_layer(),))


def test_docker_loads_what_zstd_unpacks(made: Made) -> None:
    with engines.PrivateEngine() as engine:
        docker = ["docker", "-H", engine.address]
        with subprocess.Popen(["zstd", "-dc", made.path], stdout=subprocess.PIPE) as unpacked:
            subprocess.run([*docker, "load"], stdin=unpacked.stdout, check=True)
        assert unpacked.returncode == 0
        inspected = subprocess.run(
            [*docker, "image", "inspect", "--format", "{{.Id}}", "shop/web:1"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert inspected.stdout.strip() == made.release.images["web"].config


def test_skopeo_reads_the_unpacked_layout(made: Made, tmp_path: Path) -> None:
    layout, copy = tmp_path / "layout", tmp_path / "copy"
    layout.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", made.path, "-C", layout], check=True)
    subprocess.run(["skopeo", "copy", f"oci:{layout}:shop/web:1", f"dir:{copy}"], check=True)
    config = made.release.images["web"].config
    assert (copy / config.removeprefix("sha256:")).is_file()
