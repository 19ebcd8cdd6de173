"""What a site has of ours and a deployment no longer: containers are removed, volumes and networks are left."""

from collections.abc import Iterator

from agent.planning.changes import SWITCH_SECONDS
from agent.planning.order import Entry
from agent.planning.view import View, as_standing
from agent.state import ContainerState
from agent.steps import Discard, Remove, is_passing, may_be_last


def removal_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """Containers of ours on a host that the release does not have there."""
    for found in view.standing(host):
        why = _why_removed(view, host, found)
        if why:
            action = Remove(host=host, container=found.name, standing=as_standing(found))
            yield f"remove/{host}/{found.name}", Entry(action, (why,), seconds=SWITCH_SECONDS)


def leftover_entries(view: View, host: str) -> Iterator[tuple[str, Entry]]:
    """Drafts and containers set aside that no running apply needs any more.

    What was set aside or made anew stays while nothing has its name: it may be the last of its kind.
    """
    for found in view.ours(host):
        if not is_passing(found.name) or not _chosen(view, found):
            continue
        assert found.labels is not None
        if may_be_last(found.name) and view.engine(host).container(found.labels.name) is None:
            continue
        action = Discard(host=host, container=found.name)
        yield f"discard/{host}/{found.name}", Entry(action, ("left behind by an earlier apply",), seconds=1)


def _why_removed(view: View, host: str, found: ContainerState) -> str | None:
    assert found.labels is not None
    name = found.labels.name
    if not _chosen(view, found):
        return None
    if name not in view.deployment.containers and name not in view.deployment.tasks:
        return "not in the release"
    if found.name != name:
        return f"drift: {name} renamed by hand"
    wanted = view.thing(name)
    # Between two hosts on one engine it is replaced under its own name.
    moves = wanted.host not in view.state.engines or view.engine(wanted.host).container(name) != found
    return f"moves to host {wanted.host}" if wanted.host != host and moves else None


def _chosen(view: View, found: ContainerState) -> bool:
    assert found.labels is not None
    return view.chosen(found.labels.name, found.labels.host)
