"""A site's deployment before anything is built, with the names of its secrets unless they are asked for."""

from collections.abc import Mapping
from typing import Final

from builder.rehearsal.draft import Draft
from bundle_format.release.deployment import Container, Deployment
from bundle_format.release.fields import Sealed
from bundle_format.release.model import Release
from bundle_format.release.rules import parameters_of
from bundle_format.release.service import Service
from bundle_format.site.bind import bind
from bundle_format.site.sitefile import Site

KEY: Final = b"shown to a person"
"""Seals secrets where their fingerprints go nowhere."""


def masked(name: str) -> str:
    """What stands for a secret that is not shown."""
    return f"(secret {name})"


def bind_draft(draft: Draft, site: Site, secrets: Mapping[str, str] | None) -> Deployment:
    """The deployment as the agent would make it; without `secrets`, masks stand for them and rules about them rest.

    ParameterError with every fault.
    """
    if secrets is not None:
        return bind(draft.release, site, secrets, KEY, draft.open)
    masks = {name: masked(name) for name in site.secrets}
    return bind(_without_rules_about(draft.release, masks), site, masks, KEY, draft.open)


def _shown(text: str | Sealed) -> str:
    """The text of a deployment that was bound for a person to see."""
    return text.reveal() if isinstance(text, Sealed) else text


def _without_rules_about(release: Release, secrets: Mapping[str, str]) -> Release:
    rules = tuple(rule for rule in release.rules if not parameters_of(rule.expression) & secrets.keys())
    return release.model_copy(update={"rules": rules})


def rendered(deployment: Deployment) -> dict[str, bytes]:
    """Every text of a deployment: `CONTAINER:/PATH`, `CONTAINER:env` as lines of NAME=value, and documents."""
    tasks = (task.container for task in deployment.tasks.values())
    runs: list[Container | Service] = [*deployment.containers.values(), *tasks, *deployment.services.values()]
    texts = {f"{thing.name}:{file.path}": file.content for thing in runs for file in thing.files}
    for container in runs:
        if container.env:
            lines = [f"{name}={_shown(text)}\n" for name, text in sorted(container.env.items())]
            texts[f"{container.name}:env"] = "".join(lines).encode()
    return texts | {name: document.content.encode() for name, document in deployment.documents.items()}
