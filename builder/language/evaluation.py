"""What a definition says, evaluated: every variant, and the recipes of all that a release is made of."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bundle_format.release.fields import Mode, Open, Owner, User
from bundle_format.release.model import Choice, DigestText, Parameter, Rule, Variant
from bundle_format.release.value import Value


class Place(Value):
    """Where a word was called: lines and columns count from 1, columns in code points."""

    path: str
    line: int
    column: int
    callers: tuple[str, ...] = ()


class ProjectFile(Value):
    """A file of the project by its path below the project's folder; its name in `Release.files`."""

    kind: Literal["file"] = "file"
    path: str


class ProjectFolder(Value):
    """All files below a folder of the project, placed with their relative paths."""

    kind: Literal["folder"] = "folder"
    path: str


class ArtifactFile(Value):
    """An artifact by its name in `Evaluation.artifacts`; a transitive one is a folder of its closure's files."""

    kind: Literal["artifact"] = "artifact"
    name: str


class BuildText(Value):
    """A template of the project rendered by the builder: its variables are known before any site is."""

    kind: Literal["template"] = "template"
    path: str
    variables: dict[str, Any] = Field(default_factory=dict)


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be 64 hex digits")
    return text


def _platform(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/v[0-9]+)?", text):
        raise ValueError("must be a platform such as linux/amd64")
    return text


def _exposed(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}(/(tcp|udp|sctp))?", text):
        raise ValueError("must be a port such as 8080 or 53/udp")
    return text


Exposed = Annotated[Open, AfterValidator(_exposed)]
Sha256 = Annotated[str, AfterValidator(_sha256)]
Platform = Annotated[str, AfterValidator(_platform)]

Content = Annotated[ProjectFile | ProjectFolder | ArtifactFile | BuildText, Field(discriminator="kind")]


class Placed(Value):
    """Content at an absolute path of an image, or at a relative one of a build context."""

    path: str
    content: Content
    mode: Mode = 0o644
    uid: Owner = 0
    gid: Owner = 0
    unpack: bool = False
    strip: int = 0


class Pull(Value):
    """An image of a registry; a reference without registry means docker.io, without tag `latest`."""

    kind: Literal["pull"] = "pull"
    reference: str
    tag: str
    platform: Platform = "linux/amd64"


class FromEngine(Value):
    """An image that an engine at hand already holds."""

    kind: Literal["engine"] = "engine"
    reference: str
    tag: str
    platform: Platform = "linux/amd64"


class Build(Value):
    """An image built from a folder with a Dockerfile; `files` are added to the context, `bases` are built first.

    `network` allows the build to reach a network. A base is another image of the release by name: the Dockerfile
    sees it as the build argument of that key, as in `ARG BASE` and `FROM $BASE`.
    """

    kind: Literal["build"] = "build"
    context: str
    tag: str
    dockerfile: str = "Dockerfile"
    target: str | None = None
    arguments: dict[str, Open] = Field(default_factory=dict)
    bases: dict[str, str] = Field(default_factory=dict)
    files: tuple[Placed, ...] = ()
    network: bool = False
    platform: Platform = "linux/amd64"


class Assemble(Value):
    """An image put together without an engine: a base (None: empty), layers in order, and its configuration.

    `None` keeps what the base says; `env` and `labels` add to the base's.
    """

    kind: Literal["assemble"] = "assemble"
    tag: str
    base: str | None = None
    layers: tuple[tuple[Placed, ...], ...] = ()
    env: dict[str, Open] = Field(default_factory=dict)
    labels: dict[str, Open] = Field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    user: User | None = None
    workdir: str | None = None
    expose: tuple[Exposed, ...] = ()
    platform: Platform = "linux/amd64"


ImageRecipe = Annotated[Pull | FromEngine | Build | Assemble, Field(discriminator="kind")]


class Maven(Value):
    """A file of a Maven repository; with `transitive`, the runtime closure of its dependencies too."""

    kind: Literal["maven"] = "maven"
    group: str
    artifact: str
    version: str
    type: str = "jar"
    classifier: str | None = None
    transitive: bool = False
    sha256: Sha256 | None = None


class Download(Value):
    """A file behind an address."""

    kind: Literal["download"] = "download"
    url: str
    sha256: Sha256 | None = None


class Command(Value):
    """A file that a command makes in a folder of the project, or in a git repository at a revision."""

    kind: Literal["command"] = "command"
    command: tuple[str, ...]
    output: str
    source: str | None = None
    repository: str | None = None
    revision: str | None = None
    env: dict[str, str] = Field(default_factory=dict)


ArtifactRecipe = Annotated[Maven | Download | Command, Field(discriminator="kind")]


class Packer(Value):
    """A machine image that packer makes from a template of the project."""

    kind: Literal["packer"] = "packer"
    template: str
    variables: dict[str, Open] = Field(default_factory=dict)
    files: tuple[Placed, ...] = ()


class Disk(Value):
    """A machine image that exists: an OVA, OVF, VMDK, qcow2 or raw disk."""

    kind: Literal["disk"] = "disk"
    content: Content


MachineImageRecipe = Annotated[Packer | Disk, Field(discriminator="kind")]


class Evaluation(Value):
    """Everything a definition says; recipes are united over all variants and never hold late values.

    `sources` are the definition files by path. `files` are paths of project files that the release carries
    (mounted files and templates' texts): each is a name in `Release.files`. `carried` are the artifacts that
    containers mount: each is a name in `Release.files` too. `places` has one entry `kind/name` for each object.
    """

    product: str
    version: str
    doc: str = ""
    evaluator: str
    sources: dict[str, DigestText]
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    choices: dict[str, Choice] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    variants: tuple[Variant, ...]
    images: dict[str, ImageRecipe] = Field(default_factory=dict)
    artifacts: dict[str, ArtifactRecipe] = Field(default_factory=dict)
    machine_images: dict[str, MachineImageRecipe] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    places: dict[str, Place] = Field(default_factory=dict)
