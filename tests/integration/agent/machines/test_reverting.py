"""An update that a person stops in the middle, and takes back by the snapshot that was taken before it."""

from pathlib import Path

import pytest

from bundle_format.errors import ExitCode
from tests.corner_shop import make_shop
from tests.integration.agent.machines.sites import Site, blank, machine
from tests.lab.esx import LabEsx
from tests.lab.fixtures import network
from tests.lab.network import LabNetwork

__all__ = ["network"]


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_machine_goes_back_to_its_snapshot_and_its_data_stay(network: LabNetwork, tmp_path: Path) -> None:
    wanted = {**machine(network, 7), "snapshot": True}
    disk = blank(tmp_path)
    first = make_shop(tmp_path / "home", machine=wanted, disk=disk)
    unwell = make_shop(tmp_path / "home", "2024.2", 2, machine=wanted, disk=disk, healthy=False)
    with LabEsx(guests="contained", network=network) as esx:
        site = Site(tmp_path / "site", esx, network.address(7).partition("/")[0])
        site.folder.mkdir()
        site.write()
        site.run("trust hypervisor", "default", "--thumbprint", esx.thumbprint)
        applied = site.run("apply", first, "--yes")
        assert "snapshot" not in applied

        stopped = site.run("apply", unwell, "--yes", "--on-failure", "stop", code=ExitCode.NEEDS_PERSON)
        assert "take a snapshot of machine server: kept until all is well; data disks are left out" in stopped
        assert "snapshots: floto-" in site.run("status", code=ExitCode.DRIFT)
        refused = site.run("abort", "--yes", "--revert", "front", code=ExitCode.USAGE)
        assert "There are some of: server" in refused

        back = site.run("abort", "--yes", "--revert", "server")

        assert "server: ALL THAT WAS WRITTEN to its machine's own disk since the update began is lost" in back
        assert "version 2024.1" in site.page()
        assert site.rows() == "2024.1", "the migration is taken back by its backup, and no row is lost"
        assert "snapshots" not in site.run("status")
        assert "nothing to do" in site.run("apply", first, "--yes")
