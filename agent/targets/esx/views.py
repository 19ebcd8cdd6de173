"""Views of what a hypervisor has: they belong to a session, and are gone when it has ended."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from pyVmomi import vmodl

T = TypeVar("T")

_TRIES = 3


def in_view(content: Any, root: Any, kind: type, look: Callable[[Any], T]) -> T:
    """What `look` sees in a view of all of a kind below `root`; it looks again where the session ended meanwhile."""
    for left in reversed(range(_TRIES)):
        try:
            view = content.viewManager.CreateContainerView(root, [kind], True)
            try:
                return look(view)
            finally:
                with suppress(vmodl.MethodFault):
                    view.Destroy()
        except vmodl.fault.ManagedObjectNotFound:
            if not left:
                raise
    raise AssertionError("unreachable")
