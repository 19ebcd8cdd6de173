"""The way of a machine: its image, a bundle, the frozen agent, a hypervisor, containers, and rows that outlive it.

The shop runs on a contained machine, and a small product on one that really starts from the disk that was uploaded; the
long suite starts it on the agent's own computer, too.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import pytest

from bundle_format.errors import ExitCode
from tests.contracts.qemu_box import qemu_missing
from tests.e2e.machines import (
    MachineSite,
    Product,
    kiosk,
    missing_file,
    on_esx,
    on_this_computer,
    shop_on_a_machine,
    switched_off,
)
from tests.e2e.places import Home
from tests.engines import missing
from tests.lab.esx import LabEsx, esx_missing
from tests.lab.image import machines_missing
from tests.lab.network import LabNetwork

pytestmark = pytest.mark.engine

MINUTES = 60


@pytest.fixture(autouse=True)
def _needs_machines() -> None:
    if why := missing() or esx_missing() or machines_missing() or qemu_missing():
        pytest.skip(why)


@pytest.fixture(scope="session")
def shop(home: Home) -> Product:
    return shop_on_a_machine(home)


@pytest.fixture(scope="session")
def small(home: Home) -> Product:
    return kiosk(home)


@pytest.fixture
def network() -> Iterator[LabNetwork]:
    with LabNetwork(apart=True) as network:
        yield network


@pytest.fixture
def site(tmp_path: Path, network: LabNetwork, agent: Path, home: Home) -> MachineSite:
    return MachineSite(tmp_path / "site", network, 2, agent, home)


def enrolled(site: MachineSite, product: Product, esx: LabEsx) -> None:
    """Believe the hypervisor, after what a person may do wrong."""
    site.write(product, on_esx(esx), esx=esx.password)
    assert "floto-agent trust hypervisor default" in site.agent("plan", product.bundle, expect=ExitCode.PREFLIGHT)
    verb = ("trust", "hypervisor", "default", "--thumbprint")
    site.agent(*verb, "0" * 64, expect=ExitCode.NOT_TRUSTED)
    site.agent(*verb, esx.thumbprint)


def rows_outlive_their_machine(site: MachineSite, product: Product, disk: Path) -> None:
    """Deploy a product, make its machine anew, and lose the file of its data `disk`."""
    applied = site.agent("apply", product.bundle, "--yes")
    assert "create machine server: missing" in applied
    assert "create data disk engine: never there before" in applied
    assert "apple" in site.products()
    assert "nothing to do" in site.agent("apply", product.bundle, "--yes")

    site.docker("exec", *product.adding)
    assert "replace machine server: asked for" in site.agent("redeploy", "server", "--yes")
    assert "dates" in site.products()
    assert "nothing to do" in site.agent("apply", product.bundle, "--yes")

    before = site.docker("ps", "--all", "--no-trunc", "--quiet")
    with missing_file(disk):
        lost = site.agent("redeploy", "server", "--yes", expect=ExitCode.PREFLIGHT)
        assert "data disk engine is not where it was" in lost
        assert "dates" in site.products()
    assert site.docker("ps", "--all", "--no-trunc", "--quiet") == before
    assert "nothing to do" in site.agent("apply", product.bundle, "--yes")


def on_an_esx(site: MachineSite, product: Product, esx: LabEsx) -> None:
    assert not site.reaches("192.0.2.1")
    enrolled(site, product, esx)
    rows_outlive_their_machine(site, product, esx.file("[datastore1] floto-shop-krakow-1/engine.vmdk"))
    assert "server  on" in site.agent("status")


@pytest.mark.timeout(60 * MINUTES)
@pytest.mark.parametrize("guests", ["contained", pytest.param("emulated", marks=pytest.mark.slow)])
def test_the_shop_on_a_machine(
    site: MachineSite, shop: Product, network: LabNetwork, guests: Literal["contained", "emulated"]
) -> None:
    with LabEsx(guests=guests, network=network) as esx:
        on_an_esx(site, shop, esx)


@pytest.mark.timeout(30 * MINUTES)
def test_a_machine_that_really_starts(site: MachineSite, small: Product, network: LabNetwork) -> None:
    with LabEsx(guests="emulated", network=network) as esx:
        on_an_esx(site, small, esx)


@pytest.mark.slow
@pytest.mark.timeout(30 * MINUTES)
def test_a_machine_of_the_agents_own_computer(small: Product, agent: Path, home: Home) -> None:
    # Not pytest's own folder, whose name is too long for a machine's monitor.
    with LabNetwork() as network, TemporaryDirectory(prefix="floto-site-") as folder:
        site = MachineSite(Path(folder, "site"), network, 2, agent, home)
        site.write(small, on_this_computer(network))
        with switched_off(site.folder / "machines"):
            rows_outlive_their_machine(site, small, site.folder / "machines/disks/shop-krakow-1/engine.raw")
