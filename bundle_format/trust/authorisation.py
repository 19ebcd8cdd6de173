"""Authorisations: what the makers allow one site to do against the rules, once (SPEC.md, authorisations)."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from bundle_format.canonical import canonical
from bundle_format.errors import RefusedError
from bundle_format.release.fields import Name, Seconds
from bundle_format.release.model import DigestText
from bundle_format.release.value import Value
from bundle_format.trust.documents import Document, Kind, product_id
from bundle_format.trust.roots import Root, Sequence, count_signers, payload_of

FORMAT: Final = "floto-authorisation/1"


class Lowering(Value):
    """Leave to take this one bundle although the site took a newer one."""

    channel: Name
    sequence: Sequence
    index: DigestText


class Reset(Value):
    """Leave to begin anew after the memory was lost: `challenge` is what the site told, `channels` its new memory."""

    challenge: str
    channels: dict[Name, Sequence]


class Authorisation(Value):
    """One permission for one product, at `site` or anywhere; times are seconds since 1970 UTC."""

    format: Literal["floto-authorisation/1"] = FORMAT
    product: Name
    site: Name | None = None
    issued: Seconds
    expires: Seconds
    reason: Annotated[str, Field(max_length=500)]
    lower: Lowering | None = None
    reset: Reset | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.lower is None) == (self.reset is None):
            raise ValueError("either `lower` or `reset` is given")
        return self

    def to_document(self) -> Document:
        """The document to be signed by the keys of the role `authorise`."""
        return Document(Kind.AUTHORISATION, product_id(self.product), 0, canonical(self.model_dump(mode="json")))


def authorisation_of(document: Document, root: Root, now: int) -> Authorisation:
    """Read an authorisation that holds under `root` at `now` (seconds since 1970 UTC); TrustError otherwise."""
    if document.kind is not Kind.AUTHORISATION or document.product_id != product_id(root.product):
        raise RefusedError(f"the document is no authorisation for {root.product!r}")
    count_signers(root, "authorise", document.message, document.signatures)
    authorisation = payload_of(document, Authorisation)
    if now > authorisation.expires:
        raise RefusedError("the authorisation has expired", "Ask the makers for a new one.")
    return authorisation
