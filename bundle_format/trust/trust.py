"""What a site believes, and its verdict on a bundle's header page (SPEC.md, trust): values in, values out.

`judge` gives the word of the root documents: trusted, unknown, or BAD. No argument and no flag skips it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bundle_format.digest import Digest
from bundle_format.errors import BadSignatureError, DamageError, RefusedError, UnknownKeyError
from bundle_format.trust.documents import Document, channel_id, product_id, read_documents
from bundle_format.trust.roots import Root, count_signers, first_root, next_root
from bundle_format.trust.signing import Signature


@dataclass(frozen=True, slots=True)
class Claim:
    """What a bundle's header page says of itself before anybody vouches for it; all but the signatures is signed."""

    message: bytes
    signatures: tuple[Signature, ...]
    channel_id: bytes
    sequence: int
    minimum_root: int
    index: Digest


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One product whose root document this site has compared, and the newest root that has followed from it."""

    root: Root
    fingerprint: Digest
    enrolled: Digest


@dataclass(frozen=True, slots=True)
class Signers:
    """The verdict "trusted": who vouches for a header page, for which product and channel, under which root."""

    product: str
    channel: str
    names: tuple[str, ...]
    enrolment: Enrolment


@dataclass(frozen=True, slots=True)
class Trust:
    """The products that this site has enrolled, by name."""

    enrolments: Mapping[str, Enrolment] = field(default_factory=dict)

    def judge(self, claim: Claim, chain: bytes) -> Signers:
        """Who vouches for `claim`, `chain` being the root documents that the bundle carries (one after another).

        UnknownKeyError: unsigned, or by too few keys that this site knows. BadSignatureError: a known key is named and
        did not sign. RefusedError: genuine, but withdrawn. DamageError: the chain cannot be read.
        """
        grown = self.follow(chain)
        enrolment, channel = grown._addressed(claim.channel_id)
        root = enrolment.root
        if claim.minimum_root > root.version:
            raise UnknownKeyError(
                f"the bundle wants root {claim.minimum_root} of {root.product!r}; this site knows root {root.version}",
                "Bring the newer root documents: floto-agent trust update",
            )
        names = count_signers(root, "release", claim.message, claim.signatures)
        if claim.index in root.revoked:
            raise RefusedError(
                f"the bundle was revoked by its makers: {root.revoked[claim.index]}", "Use another release."
            )
        if claim.sequence < root.channels[channel]:
            raise RefusedError(
                f"sequence {claim.sequence} of {root.product} {channel} is withdrawn; "
                f"the lowest that counts is {root.channels[channel]}",
                "Use a newer release.",
            )
        return Signers(root.product, channel, names, enrolment)

    def follow(self, chain: bytes) -> "Trust":
        """The trust after the root documents in `chain`; those older than what is known are only compared."""
        try:
            documents = read_documents(chain)
        except ValueError as error:
            raise DamageError(f"the chain of root documents is damaged: {error}") from error
        enrolments = dict(self.enrolments)
        for document in sorted(documents, key=lambda document: document.version):
            for product, enrolment in enrolments.items():
                if product_id(product) == document.product_id:
                    enrolments[product] = _followed(enrolment, document)
        return replace(self, enrolments=enrolments)

    def _addressed(self, wanted: bytes) -> tuple[Enrolment, str]:
        for enrolment in self.enrolments.values():
            for channel in enrolment.root.channels:
                if channel_id(enrolment.root.product, channel) == wanted:
                    return enrolment, channel
        known = ", ".join(f"{one.root.product} ({', '.join(one.root.channels)})" for one in self.enrolments.values())
        raise UnknownKeyError(
            f"the bundle is for a product or a channel that this site does not know; it knows: {known or 'none'}",
            "Enrol the product's root document: floto-agent trust enrol",
        )


def enrolled(document: Document) -> Enrolment:
    """Believe a root document whose fingerprint a person has compared."""
    return Enrolment(first_root(document), document.fingerprint, document.fingerprint)


def trust_in(*documents: Document) -> Trust:
    """A trust in these root documents alone, remembering nothing: for checks away from a site."""
    enrolments = [enrolled(document) for document in documents]
    return Trust({enrolment.root.product: enrolment for enrolment in enrolments})


def _followed(enrolment: Enrolment, document: Document) -> Enrolment:
    known = enrolment.root.version
    if document.version > known:
        return replace(enrolment, root=next_root(enrolment.root, document), fingerprint=document.fingerprint)
    if document.version == known and document.fingerprint != enrolment.fingerprint:
        raise BadSignatureError(
            f"BAD root document: another version {known} of {enrolment.root.product!r} than the one this site believes",
            "Two different documents claim the same version: somebody forged one. Tell the makers; use neither.",
        )
    return enrolment
