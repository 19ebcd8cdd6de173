"""By which labels everything that the agent makes is known again; what does not carry them is never touched."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from bundle_format.canonical import canonical
from bundle_format.digest import digest_of
from bundle_format.release.deployment import Container, Deployment, Network, Volume, spec_of
from bundle_format.release.service import Service, service_spec_of
from bundle_format.release.value import Value

PREFIX = "floto."


@dataclass(frozen=True, slots=True)
class Owner:
    """For whom an agent acts: one product on one site."""

    product: str
    site: str


class Adopted(Value):
    """What the agent did not make and a person has given over to the product: by its id, a volume by its name."""

    host: str
    kind: Literal["container", "network", "volume"]
    key: str


@dataclass(frozen=True, slots=True)
class Labels:
    """The marks on a container, network or volume.

    `spec` is the canonical JSON that it was made from (without secrets) and `digest` that text's digest;
    `transaction` names the apply that made it, so that an interrupted one can be undone.
    """

    product: str
    site: str
    host: str
    name: str
    release: str
    spec: str
    digest: str
    transaction: str

    @property
    def owner(self) -> Owner:
        """For whom it was made."""
        return Owner(self.product, self.site)

    def to_mapping(self) -> dict[str, str]:
        """As an engine keeps them."""
        return {PREFIX + key: text for key, text in asdict(self).items()}


def labels_from(mapping: Mapping[str, str]) -> Labels | None:
    """Our labels among an engine's; None unless all of them are there, for then we did not make it."""
    found = {key.removeprefix(PREFIX): text for key, text in mapping.items() if key.startswith(PREFIX)}
    try:
        return Labels(**{name: found[name] for name in Labels.__slots__})
    except KeyError:
        return None


def registry_of(deployment: Deployment, host: str) -> str:
    """Where the nodes of a host's swarm get images from, as image names begin with it; empty where nothing is said."""
    access = deployment.hosts[host].access if host in deployment.hosts else None
    return ((access.registry if access else None) or "").rpartition("//")[2]


def labels_of(
    deployment: Deployment, thing: Container | Service | Network | Volume, host: str, transaction: str = ""
) -> Labels:
    """The marks that a container, service, network or volume of a deployment gets on a host."""
    if isinstance(thing, Container):
        spec = canonical(spec_of(thing, deployment.images[thing.image].config))
    elif isinstance(thing, Service):
        config = deployment.images[thing.image].config
        spec = canonical(service_spec_of(thing, config, registry_of(deployment, host)))
    else:
        spec = canonical(thing.model_dump(mode="json", exclude={"name"}, exclude_defaults=True))
    return Labels(
        product=deployment.product,
        site=deployment.site,
        host=host,
        name=thing.name,
        release=deployment.version,
        spec=spec.decode("ascii"),
        digest=digest_of(spec),
        transaction=transaction,
    )
