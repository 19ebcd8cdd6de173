"""The resolved release: every variant of one version of a product, as it lies signed in a bundle."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from bundle_format.canonical import canonical, parse_canonical
from bundle_format.digest import Digest, parse_digest
from bundle_format.release.fields import FileName, Name, ParameterName, Tag, Version
from bundle_format.release.value import Value

FORMAT: Final = "floto-release/1"

OLDEST_AGENT: Final = "0.1.0"
"""The first agent that understands all that a release may say: goes up with what older ones would misread."""

DigestText = Annotated[Digest, AfterValidator(parse_digest)]
Scalar = bool | int | str
ParameterType = Literal["string", "int", "bool", "ip", "cidr", "fqdn", "port", "path", "size", "secret"]


class Parameter(Value):
    """A value known only on site. Sizes are bytes; `min` and `max` bound int, port and size."""

    type: ParameterType
    doc: str = ""
    default: Scalar | None = None
    example: Scalar | None = None
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    one_of: tuple[Scalar, ...] | None = None


class Choice(Value):
    """A decision between finished variants; the first option is the default."""

    options: tuple[Scalar, ...] = Field(min_length=1)
    doc: str = ""


class Rule(Value):
    """A condition over parameters and choices that the site must meet (`check()` in a definition)."""

    expression: Any
    message: str


class Image(Value):
    """A container image by content: its OCI config and its uncompressed layers, base first (digest = diff_id)."""

    tag: Tag
    config: DigestText
    manifest: DigestText
    layers: tuple[DigestText, ...]
    size: int
    platform: str = "linux/amd64"
    source: dict[str, str] = Field(default_factory=dict)


class File(Value):
    """A plain file or a template's text, by content."""

    digest: DigestText
    size: int


class MachineImage(Value):
    """The disk that machines start from, by its raw content; `size` in bytes is also that of the disk."""

    disk: DigestText
    size: int
    source: dict[str, str] = Field(default_factory=dict)


class Variant(Value):
    """The finished release for one set of choices.

    `objects` maps kind to name to a tree in which only late values are open: `{"$param": name}` or
    `{"$text": [part, ...]}`. Once they are filled in, the tree of kind K reads as K of deployment.py without its name
    (a task's container, a OneOff, without its name too), but for what trees.py tells: templates, a container's `files`,
    and documents that name a template instead of their `content`.
    """

    when: dict[ParameterName, Scalar]
    objects: dict[Name, dict[Name, dict[str, Any]]]


class Release(Value):
    """One version of a product: what a bundle is for."""

    format: Literal["floto-release/1"] = FORMAT
    product: Name
    version: Version
    doc: str = ""
    evaluator: str
    sources: dict[FileName, DigestText]
    parameters: dict[ParameterName, Parameter] = Field(default_factory=dict)
    choices: dict[ParameterName, Choice] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    images: dict[Name, Image] = Field(default_factory=dict)
    machine_images: dict[Name, MachineImage] = Field(default_factory=dict)
    files: dict[FileName, File] = Field(default_factory=dict)
    variants: tuple[Variant, ...] = Field(min_length=1)

    def to_json(self) -> bytes:
        """The canonical text that a bundle carries and whose digest its index names."""
        return canonical(self.model_dump(mode="json", exclude_defaults=False))


def release_from_json(text: bytes) -> Release:
    """Read a resolved release; ValueError (pydantic's among them, with every fault) when it is none."""
    parse_canonical(text)
    return Release.model_validate_json(text)
