"""All that the agent can do to a swarm: one frozen class an action, for the plan and the journal."""

from typing import Literal

from bundle_format.release.value import Value


class PushImages(Value):
    """Bring images of the release, by their names there, to the registry from which the nodes of a swarm get them."""

    kind: Literal["push"] = "push"
    host: str
    images: tuple[str, ...]


class DraftService(Value):
    """Keep in a swarm what a service shall be, its files as configs and secrets; nothing runs differently yet."""

    kind: Literal["service draft"] = "service draft"
    host: str
    service: str


class CreateService(Value):
    """Make a service of its draft, and wait until all its containers are healthy."""

    kind: Literal["create service"] = "create service"
    host: str
    service: str
    deadline: int


class UpdateService(Value):
    """Let a service become what its draft says, container by container, and wait until all are healthy.

    It was made from `digest` and was `well` when the plan was made.
    """

    kind: Literal["update service"] = "update service"
    host: str
    service: str
    digest: str
    well: bool
    anew: bool
    deadline: int


class RemoveService(Value):
    """Stop a service that shall no longer be; it goes once all is well."""

    kind: Literal["remove service"] = "remove service"
    host: str
    service: str
    digest: str
    well: bool
