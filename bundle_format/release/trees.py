"""What a variant's trees say and a deployment no longer does: texts still to be rendered, and where they go."""

from typing import Any

from pydantic import Field, model_validator

from bundle_format.release.fields import Mode, MountPoint, Name, Owner
from bundle_format.release.value import Value


class Placement(Value):
    """Where a container's tree wants a rendered template or a plain file of the release."""

    template: Name | None = None
    file: str | None = None
    path: MountPoint
    mode: Mode = 0o644
    uid: Owner = 0
    gid: Owner = 0

    @model_validator(mode="after")
    def _one_source(self) -> "Placement":
        if (self.template is None) == (self.file is None):
            raise ValueError("must name a template or a file")
        return self


class Placements(Value):
    """All of a container's tree that speaks of files."""

    files: tuple[Placement, ...] = ()


class Template(Value):
    """A text that is rendered on site: `file` names its source in `Release.files`; it knows `vars` and nothing else."""

    file: str
    vars: dict[str, Any] = Field(default_factory=dict)


class RenderedDocument(Value):
    """A document whose content is a template's text."""

    template: Name
