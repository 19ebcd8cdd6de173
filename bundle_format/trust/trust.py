"""What a site believes, and its verdict on a bundle's header page (SPEC.md, trust): values in, values out.

`judge` gives the word of the root documents: trusted, unknown, or BAD; no argument and no flag skips it. `admit` asks
the site's own memory. Nothing here reads a clock or a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bundle_format.digest import Digest
from bundle_format.errors import DamageError, FlotoError, RefusedError, UnknownKeyError
from bundle_format.trust.admission import Floor, Offer, admit, reckoned
from bundle_format.trust.authorisation import authorisation_of
from bundle_format.trust.documents import Document, channel_id, product_id, read_documents
from bundle_format.trust.enrolment import Enrolment, Permit, Remembered, enrolled, followed, gone_back, taken
from bundle_format.trust.roots import Root, check_still_counts, count_signers
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
class Signers:
    """The verdict "trusted": who vouches for a header page, for which product and channel, under which root."""

    product: str
    channel: str
    names: tuple[str, ...]
    root: Root
    chain: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """The products that this site has enrolled, by name; `challenge` is set where an earlier memory was lost."""

    enrolments: Mapping[str, Enrolment] = field(default_factory=dict)
    challenge: str = ""
    floor: Floor = field(default_factory=Floor)

    def judge(self, claim: Claim, chain: bytes) -> Signers:
        """Who vouches for `claim`, `chain` being the root documents that the bundle carries (one after another).

        UnknownKeyError: unsigned, or by too few keys that this site knows. BadSignatureError: a known key is named and
        did not sign. RefusedError: genuine, but withdrawn. DamageError: the chain cannot be read.
        """
        enrolment, channel = self.follow(chain)._addressed(claim.channel_id)
        root = enrolment.root
        wanted = max(claim.minimum_root, self.floor.roots.get(root.product, 0))
        if wanted > root.version:
            raise UnknownKeyError(
                f"root {wanted} of {root.product!r} is needed; this site knows root {root.version}",
                "Bring the newer root documents: floto-agent trust update",
            )
        names = count_signers(root, "release", claim.message, claim.signatures)
        check_still_counts(root, channel, claim.sequence, claim.index)
        return Signers(root.product, channel, names, root, chain)

    def follow(self, chain: bytes) -> "Trust":
        """The trust after the root documents in `chain`; those of products that are not enrolled are passed over."""
        enrolments = dict(self.enrolments)
        for document in sorted(_read(chain), key=lambda document: document.version):
            for product, enrolment in enrolments.items():
                if product_id(product) == document.product_id:
                    enrolments[product] = followed(enrolment, document)
        return replace(self, enrolments=enrolments)

    def learn(self, signers: Signers) -> "Trust":
        """The trust after the root documents that a judged bundle brought: keys they take away are dead from now on."""
        return self.follow(signers.chain)

    def admit(self, signers: Signers, offer: Offer, *, clock: int, site: str) -> tuple[str, ...]:
        """Notes about a judged bundle that may come onto this site now; RefusedError with every reason otherwise."""
        enrolment = self.learn(signers).enrolments[signers.product]
        return admit(enrolment, signers.channel, offer, clock=clock, site=site, floor=self.floor)

    def remember(self, signers: Signers, offer: Offer) -> "Trust":
        """The trust once an admitted bundle runs on this site."""
        learnt = self.learn(signers)
        return learnt._with(taken(learnt.enrolments[signers.product], signers.channel, _remembered(offer)))

    def go_back(self, product: str, offer: Offer) -> "Trust":
        """The trust once a bundle that was taken before runs again; unchanged where the memory was lost."""
        enrolment = self.enrolments.get(product)
        return self if enrolment is None else self._with(gone_back(enrolment, _remembered(offer)))

    def enrol(self, document: Document, *, clock: int, reset: Document | None = None) -> "Trust":
        """Believe a root document whose fingerprint a person has compared.

        Where the memory was lost, only with a reset that the makers signed for this site's challenge (THREATS 9).
        """
        enrolment = enrolled(document)
        if enrolment.root.product in self.enrolments:
            return self._enrolled_before(document, enrolment.root.product)
        if self.challenge:
            enrolment = self._restarted(enrolment, reset, clock)
        return self._with(enrolment)

    def permit(self, document: Document, *, clock: int) -> "Trust":
        """Keep an authorisation for the bundle that it names; TrustError unless it holds and is new."""
        for enrolment in self.enrolments.values():
            if product_id(enrolment.root.product) == document.product_id:
                return self._with(_permitted(enrolment, document, reckoned(clock, enrolment, self.floor)))
        raise UnknownKeyError("the authorisation is for a product that this site does not know")

    def _with(self, enrolment: Enrolment) -> "Trust":
        return replace(self, enrolments={**self.enrolments, enrolment.root.product: enrolment})

    def _enrolled_before(self, document: Document, product: str) -> "Trust":
        if self.enrolments[product].enrolled == document.fingerprint:
            return self
        raise FlotoError(
            f"{product!r} is enrolled already, by another root document",
            "A newer root document of the same makers comes by: floto-agent trust update",
        )

    def _restarted(self, enrolment: Enrolment, reset: Document | None, clock: int) -> Enrolment:
        if reset is None:
            raise self._lost()
        authorisation = authorisation_of(reset, enrolment.root, reckoned(clock, enrolment, self.floor))
        if authorisation.reset is None or authorisation.reset.challenge != self.challenge:
            raise RefusedError(f"the reset is not for this site's challenge: {self.challenge}")
        issued = authorisation.issued
        channels = {
            channel: Remembered(sequence=sequence, index=None, issued=issued)
            for channel, sequence in authorisation.reset.channels.items()
        }
        memory = enrolment.memory.model_copy(update={"channels": channels, "time": max(issued, enrolment.memory.time)})
        return enrolment.model_copy(update={"memory": memory})

    def _addressed(self, wanted: bytes) -> tuple[Enrolment, str]:
        for enrolment in self.enrolments.values():
            for channel in enrolment.root.channels:
                if channel_id(enrolment.root.product, channel) == wanted:
                    return enrolment, channel
        if self.challenge and not self.enrolments:
            raise self._lost()
        known = ", ".join(f"{one.root.product} ({', '.join(one.root.channels)})" for one in self.enrolments.values())
        raise UnknownKeyError(
            f"the bundle is for a product or a channel that this site does not know; it knows: {known or 'none'}",
            "Enrol the product's root document: floto-agent trust enrol",
        )

    def _lost(self) -> RefusedError:
        return RefusedError(
            f"this site's memory of what it trusts was lost or tampered with; its challenge is: {self.challenge}",
            "Tell the makers these words and enrol with the reset that they sign: floto-agent trust enrol --reset",
        )


def trust_in(*documents: Document) -> Trust:
    """A trust in these root documents alone, remembering nothing: for checks away from a site."""
    enrolments = [enrolled(document) for document in documents]
    return Trust({enrolment.root.product: enrolment for enrolment in enrolments})


def _remembered(offer: Offer) -> Remembered:
    return Remembered(sequence=offer.sequence, index=offer.index, issued=offer.issued)


def _read(chain: bytes) -> tuple[Document, ...]:
    try:
        return read_documents(chain)
    except ValueError as error:
        raise DamageError(f"the chain of root documents is damaged: {error}") from error


def _permitted(enrolment: Enrolment, document: Document, now: int) -> Enrolment:
    authorisation = authorisation_of(document, enrolment.root, now)
    memory = enrolment.memory
    if authorisation.lower is None:
        raise RefusedError("a reset is for a site that lost its memory", "Give it to: floto-agent trust enrol --reset")
    if document.fingerprint in memory.spent:
        raise RefusedError("the authorisation was used before", "Ask the makers for a new one.")
    permit = Permit(
        **authorisation.lower.model_dump(),
        site=authorisation.site,
        expires=authorisation.expires,
        fingerprint=document.fingerprint,
    )
    others = tuple(other for other in memory.permits if other != permit)
    return enrolment.model_copy(update={"memory": memory.model_copy(update={"permits": (*others, permit)})})
