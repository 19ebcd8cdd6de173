"""Bringing a plan about: its undertaking written down, then all phases of one transaction."""

from collections.abc import Callable, Collection, Mapping

from agent.applying.journal import begin_journal
from agent.applying.means import Means
from agent.applying.transaction import Conduct, Remember, Transaction
from agent.folder import Folder
from agent.history import OnFailure, Operation, Placed, Receipt, Source, Undertaking
from agent.labels import Adopted, labels_of
from agent.planning.view import waits_for
from agent.steps import Plan
from bundle_format.digest import Digest
from bundle_format.release.deployment import Container, Deployment, Host
from bundle_format.release.service import Service, file_name_of
from bundle_format.site.hypervisors import AnyAccess


def undertaking_of(
    deployment: Deployment,
    source: Source,
    plan: Plan,
    *,
    number: int,
    transaction: str,
    operation: Operation,
    agent: str,
    begun: int,
    on_failure: OnFailure = "rollback",
    only: tuple[str, ...] = (),
    adopted: Collection[Adopted] = (),
    before: Mapping[str, Host] | None = None,
    hypervisors: Mapping[str, AnyAccess] | None = None,
) -> Undertaking:
    """All that an apply sets out to do; `transaction` must be new to the site, `begun` is Unix seconds.

    `before` are the hosts of the release that ran until now; `hypervisors` those that its machines are on.
    """
    touched = {step.action.host for step in plan.steps} - deployment.hosts.keys()
    return Undertaking(
        number=number,
        transaction=transaction,
        operation=operation,
        agent=agent,
        begun=begun,
        source=source,
        hosts={name: _recorded(host) for name, host in deployment.hosts.items()},
        hypervisors=dict(hypervisors or {}),
        machine_images=deployment.machine_images,
        leaving={name: host for name, host in (before or {}).items() if name in touched},
        images=deployment.images,
        containers={
            name: _placed(deployment, container)
            for name, container in deployment.containers.items()
            if not container.external
        },
        tasks={name: _placed(deployment, task.container) for name, task in deployment.tasks.items()},
        services={name: _serving(deployment, service) for name, service in deployment.services.items()},
        volumes=tuple(deployment.volumes),
        on_failure=on_failure,
        only=only,
        adopted=tuple(sorted(adopted, key=lambda one: (one.host, one.kind, one.key))),
        plan=plan,
    )


def apply(
    undertaking: Undertaking,
    deployment: Deployment,
    folder: Folder,
    means: Means,
    *,
    conduct: Conduct,
    remember: Remember,
    stage: Callable[[], None],
) -> Receipt:
    """Do what was set out; errors as for `Transaction.go`. Whatever was interrupted before must be settled."""
    journal = begin_journal(folder.journal, undertaking)
    return Transaction(journal, means, folder, conduct, remember).go(deployment, stage)


def _recorded(host: Host) -> Host:
    """A host without what its guest is told, which may hold secrets; ending what was begun does not take it."""
    if host.machine is None:
        return host
    return host.model_copy(update={"machine": host.machine.model_copy(update={"guest": {}})})


def _serving(deployment: Deployment, service: Service) -> Placed:
    named = (file_name_of(deployment.product, deployment.site, service.name, file) for file in service.files)
    return _placed(deployment, service).model_copy(update={"files": tuple(named)})


def _placed(deployment: Deployment, thing: Container | Service) -> Placed:
    return Placed(
        host=thing.host,
        image=thing.image,
        spec=Digest(labels_of(deployment, thing, thing.host).digest),
        protect=thing.protect,
        after=tuple(sorted(waits_for(deployment, thing.name))),
        grace=thing.stop_grace,
        deadline=thing.health_deadline,
    )
