"""What a product's owners sign - bundles, root documents, authorisations - and how far the signing of each has come."""

from dataclasses import dataclass
from pathlib import Path

from builder.roots import root_file
from bundle_format.countersign import Unjudged, add_signature, read_unjudged
from bundle_format.digest import Digest
from bundle_format.durable import whole_file
from bundle_format.errors import DamageError, DefinitionError, MissingError
from bundle_format.trust.authorisation import Authorisation
from bundle_format.trust.documents import Document, Kind, is_document, read_document
from bundle_format.trust.roots import RoleName, Root, payload_of, root_of, signers_among
from bundle_format.trust.signing import PublicKey, Signature, verify


@dataclass(frozen=True)
class Tally:
    """How far one demand is met: who signed of those whom a root document asks, and how many it wants."""

    root: int
    role: RoleName
    signers: tuple[str, ...]
    threshold: int


@dataclass(frozen=True)
class Signable:
    """A file that waits for signatures; `digest` is what signers compare with one another before they sign."""

    path: Path
    what: str
    digest: Digest
    message: bytes
    content: Unjudged | Document
    asked: tuple[tuple[Root, RoleName], ...]

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """The signatures so far."""
        return self.content.signatures if isinstance(self.content, Document) else self.content.page.signatures

    def tallies(self) -> tuple[Tally, ...]:
        """How far the signing has come; empty where no root document is at hand that says who must sign."""
        return tuple(
            Tally(root.version, role, signers_among(root, role, self.message, self.signatures), root.threshold(role))
            for root, role in self.asked
        )


def open_signable(path: Path) -> Signable:
    """Read a finished bundle, a root document or an authorisation; DamageError when it is none or not whole."""
    if not path.is_file():
        raise MissingError(f"{path}: no such file")
    with path.open("rb") as file:
        if not is_document(file.read(16)):
            return _bundle(path, read_unjudged(path))
    document = _document(path)
    return _root(path, document) if document.kind is Kind.ROOT else _authorisation(path, document)


def attach(signable: Signable, key: PublicKey, content: bytes) -> Signable:
    """Write the signature that `key` made into the file.

    DefinitionError, and nothing written, unless it holds, and where it would count for nothing.
    """
    if signable.asked and not any(key in root.role_keys(role).values() for root, role in signable.asked):
        asked = {name for root, role in signable.asked for name in root.role_keys(role)}
        raise DefinitionError(
            f"the key is none of those that {signable.path} waits for: {', '.join(sorted(asked))}",
            "Use one of them, or let the owners name the new key: floto-builder root",
        )
    signature = Signature(key.key_id, content)
    if not verify(key, signable.message, signature):
        raise DefinitionError(
            f"the signature is not by this key over {signable.path}: nothing was written",
            f"Export the message again and sign just those {len(signable.message)} bytes.",
        )
    if isinstance(signable.content, Document):
        with whole_file(signable.path) as file:
            file.write(signable.content.signed(signature).to_bytes())
    else:
        add_signature(signable.path, signable.content.page, signature)
    return open_signable(signable.path)


def _bundle(path: Path, bundle: Unjudged) -> Signable:
    index, page = bundle.index, bundle.page
    what = f"bundle of {index.product} {index.release}, channel {index.channel}, sequence {index.sequence}"
    asked: list[tuple[Root, RoleName]] = [(root_of(document), "release") for document in bundle.chain[-1:]]
    return Signable(path, what, page.index_digest, page.message, bundle, tuple(asked))


def _root(path: Path, document: Document) -> Signable:
    root = root_of(document)
    asked: list[tuple[Root, RoleName]] = [(root, "root")]
    before = root_file(path.parent, root.version - 1)
    if before.is_file():
        asked.insert(0, (root_of(_document(before)), "root"))
    what = f"root document {root.version} of {root.product}"
    return Signable(path, what, document.fingerprint, document.message, document, tuple(asked))


def _authorisation(path: Path, document: Document) -> Signable:
    content = payload_of(document, Authorisation)
    purpose = f"reset for {content.reset.challenge!r}" if content.reset else f"leave for {content.site or 'any site'}"
    what = f"{purpose}, {content.product}: {content.reason}"
    return Signable(path, what, document.fingerprint, document.message, document, ())


def _document(path: Path) -> Document:
    try:
        return read_document(path.read_bytes())
    except ValueError as error:
        raise DamageError(f"{path} is damaged: {error}") from error
