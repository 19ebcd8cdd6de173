"""The whole way of a machine through a vCenter: made, told of, made anew with its rows, in one datacenter of two."""

from pathlib import Path

import pytest

from tests.corner_shop import make_shop
from tests.integration.agent.machines.sites import Site, blank, machine
from tests.lab.clients import client
from tests.lab.esx import LabEsx
from tests.lab.fixtures import network
from tests.lab.network import LabNetwork

__all__ = ["network"]

PLACE = (
    'datacenter = "DC1"',
    'cluster = "DC1_C0"',
    'pool = "DC1_C0_RP1"',
    'folder = "krakow"',
    'datastore = "datastore1"',
)


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_machine_in_a_cluster_is_redeployed_with_its_rows(network: LabNetwork, tmp_path: Path) -> None:
    bundle = make_shop(tmp_path / "home", machine=machine(network, 6), disk=blank(tmp_path))
    options = ("-vcenter", "-datacenters=2", "-clusters=1")
    with LabEsx(*options, guests="contained", network=network) as center:
        with client(center) as there:
            there.content.rootFolder.childEntity[1].vmFolder.CreateFolder("krakow")
        site = Site(tmp_path / "site", center, network.address(6).partition("/")[0])
        site.folder.mkdir()
        site.write(*PLACE)
        site.run("trust hypervisor", "default", "--thumbprint", center.thumbprint)

        site.run("apply", bundle, "--yes")
        assert "version 2024.1" in site.page()
        site.run("redeploy", "server", "--yes")

        assert site.rows() == "2024.1"
        assert "nothing to do" in site.run("apply", bundle, "--yes")
        assert "on default" in site.run("status")
        with client(center) as there:
            first, second = there.content.rootFolder.childEntity
            assert list(first.vmFolder.childEntity) == []
            [folder] = second.vmFolder.childEntity
            assert [(one.name, one.resourcePool.name) for one in folder.childEntity] == [("server", "DC1_C0_RP1")]
