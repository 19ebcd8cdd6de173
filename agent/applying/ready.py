"""Making ready: what is done before anything that runs is touched, and what takes it away again."""

from typing import assert_never

from agent.applying.means import Means
from agent.labels import labels_of
from agent.steps import CreateNetwork, CreateVolume, Discard, Draft, LoadImages, draft_name
from bundle_format.release.deployment import Container, Deployment

Readying = LoadImages | CreateNetwork | CreateVolume | Draft | Discard


def make_ready(action: Readying, means: Means, deployment: Deployment) -> None:
    """Do one action of the phases load and prepare; done twice it does nothing more."""
    engine = means.engine(action.host)
    match action:
        case LoadImages(images=names):
            engine.load_images([deployment.images[name] for name in names], means.store, means.progress)
        case CreateNetwork(host=host, network=name):
            network = deployment.networks[name]
            engine.ensure_network(network, labels_of(deployment, network, host, means.transaction))
        case CreateVolume(host=host, volume=name):
            volume = deployment.volumes[name]
            engine.ensure_volume(volume, labels_of(deployment, volume, host, means.transaction))
        case Draft(container=name):
            _draft(means, deployment, thing(deployment, name))
        case Discard(container=name):
            engine.stop(name, 0)
            engine.remove(name)
        case _:
            assert_never(action)


def thing(deployment: Deployment, name: str) -> Container:
    """A container or a task's container by its name."""
    task = deployment.tasks.get(name)
    return task.container if task else deployment.containers[name]


def _draft(means: Means, deployment: Deployment, container: Container) -> None:
    engine = means.engine(container.host)
    image = deployment.images[container.image]
    held = engine.load_images([image], means.store, means.progress)[image.config]
    labels = labels_of(deployment, container, container.host, means.transaction)
    engine.create_container(container, draft_name(container.name), labels, held)
