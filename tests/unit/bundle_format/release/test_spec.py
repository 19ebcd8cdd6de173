"""What counts as a change of a container."""

from bundle_format.digest import digest_of
from bundle_format.release.deployment import Container, spec_of
from bundle_format.release.fields import Sealed
from bundle_format.release.fittings import RenderedFile, VolumeMount

IMAGE = digest_of(b"image")


def container(**options: object) -> Container:
    return Container.model_validate({"name": "web", "host": "one", "image": "nginx", **options})


def test_an_option_at_its_default_is_no_part_of_the_spec() -> None:
    assert spec_of(container(), IMAGE) == {"image": IMAGE, "env": {}, "files": {}}
    assert spec_of(container(stop_grace=10, memory=None), IMAGE) == spec_of(container(), IMAGE)


def test_what_only_the_agent_heeds_changes_no_container() -> None:
    waiting = container(health_deadline=300, protect="stop", after=("db",))

    assert spec_of(waiting, IMAGE) == spec_of(container(), IMAGE)


def test_mounts_keep_apart_without_their_kind() -> None:
    volume = spec_of(container(mounts=(VolumeMount(volume="data", path="/data"),)), IMAGE)

    assert volume["mounts"] == ({"volume": "data", "path": "/data"},)


def test_secrets_stand_as_fingerprints() -> None:
    file = RenderedFile(path="/etc/app", content=b"hunter2", digest="hmac-sha256:1", sealed=True)
    spec = spec_of(container(env={"PASSWORD": Sealed("hunter2", b"key")}, files=(file,)), IMAGE)

    assert "hunter2" not in str(spec)
    assert spec["env"]["PASSWORD"]["sealed"].startswith("hmac-sha256:")
