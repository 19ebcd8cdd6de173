"""What somebody removed by hand is told with what brings it back."""

from typing import Any, cast

import pytest

from agent.targets.docker.connection import Connection
from agent.targets.docker.containers import Containers
from agent.targets.docker.swarm.swarm import DockerSwarm
from agent.targets.registry import Registry
from bundle_format.errors import TargetError
from tests.sites import OWNER


class Empty:
    """A connection to an engine that has nothing."""

    host = "server"

    def find(self, path: str, /, **query: Any) -> None:
        """Nothing is found."""


EMPTY = cast(Connection, Empty())


@pytest.mark.parametrize("kind", ["container", "service"])
def test_what_is_gone_names_the_verbs_that_make_it_anew(kind: str) -> None:
    with pytest.raises(TargetError, match=f"server: there is no {kind} app; nothing was changed") as told:
        if kind == "container":
            Containers(EMPTY, OWNER, lambda: 0).start("app")
        else:
            DockerSwarm(EMPTY, OWNER, cast(Registry, None), lambda: 0).put_back("app", "")

    assert "floto-agent verify --installed --repair" in told.value.hint
    assert "floto-agent apply" in told.value.hint
