"""A product's own root documents: the folder that holds them all, and the next one, made from its `root.toml`."""

import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from bundle_format.errors import DefinitionError, SigningKeyError, TrustError
from bundle_format.release.fields import Name
from bundle_format.release.model import DigestText
from bundle_format.release.value import Fault, FaultyError, Value, faults_of, told
from bundle_format.release.value import Path as TreePath
from bundle_format.site.toml import Toml, parse_toml
from bundle_format.trust.documents import PAYLOAD_LIMIT, Document, read_document, write_documents
from bundle_format.trust.roots import Roles, Root, Sequence, faults_in, first_root, next_root
from bundle_format.trust.signing import public_from_pem
from bundle_format.trust.trust import Trust, trust_in

OWNERS_FILE = "root.toml"
"""What a product's owners edit; each root document is made from it."""


def _day(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


class Owners(Value):
    """What `root.toml` says: keys as the names of their files beside it, roles, channels, and what is revoked."""

    product: Name
    expires: Annotated[date | None, BeforeValidator(_day)] = None
    keys: dict[Name, str]
    roles: Roles
    channels: dict[Name, Sequence]
    revoked: dict[DigestText, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Chain:
    """All root documents of a product so far, the newest last; each is signed as the one before it asks."""

    documents: tuple[Document, ...]
    newest: Root

    def to_sections(self) -> tuple[bytes, ...]:
        """The documents as bundles carry them."""
        return tuple(document.to_bytes() for document in self.documents)

    def trust(self) -> Trust:
        """A trust in the newest of them, as a site has it that followed them all."""
        return trust_in(self.documents[0]).follow(write_documents(self.documents))


def root_file(folder: Path, version: int) -> Path:
    """Where a version of the root document lies."""
    return folder / f"root-{version}.floto-root"


_BEGIN = "Name their folder with --roots; a new product begins with: floto-builder keygen"


def read_chain(folder: Path) -> Chain:
    """Every root document in `folder`, in order; DefinitionError when there is none, a gap, or one lacks signatures."""
    versions = sorted(_versions(folder))
    if versions != list(range(1, len(versions) + 1)) or not versions:
        found = ", ".join(f"{version}" for version in versions) or "none"
        raise DefinitionError(
            f"{folder} must hold every root document from root-1 on; found: {found}",
            "Bring the others there from where they are kept." if versions else _BEGIN,
        )
    documents = [_read(root_file(folder, version)) for version in versions]
    root = None
    for version, document in enumerate(documents, 1):
        try:
            root = next_root(root, document) if root else first_root(document)
        except TrustError as error:
            raise DefinitionError(
                f"{root_file(folder, version)} does not hold: {error.message}",
                "Let its other owners sign it, or remove it.",
            ) from error
    assert root is not None
    return Chain(tuple(documents), root)


def draft_root(folder: Path, issued: int) -> Root:
    """The root document that `root.toml` asks for next; `issued` is seconds since 1970 UTC.

    DefinitionError with every fault of the file, by line and column.
    """
    reading = _read_owners(folder / OWNERS_FILE)
    newest = read_chain(folder).newest if any(_versions(folder)) else None
    if newest and newest.product != reading.owners.product:
        raise DefinitionError(f"{folder} holds the root documents of {newest.product!r}")
    if newest and newest.issued > issued:
        raise DefinitionError(f"root {newest.version} is from the future: {datetime.fromtimestamp(newest.issued, UTC)}")
    owners = reading.owners
    root = Root(
        product=owners.product,
        version=newest.version + 1 if newest else 1,
        issued=issued,
        expires=int(datetime.combine(owners.expires, time.max, UTC).timestamp()) if owners.expires else None,
        keys=_keys(reading, folder),
        roles=owners.roles,
        channels=owners.channels,
        revoked=owners.revoked,
    )
    if len(root.to_document().payload) > PAYLOAD_LIMIT:
        raise DefinitionError(
            f"the root document would be larger than {PAYLOAD_LIMIT} bytes",
            "Let a channel's lowest sequence withdraw old bundles instead of naming each under [revoked].",
        )
    return root


def says_the_same(one: Root, other: Root) -> bool:
    """Whether two versions differ in their number and date alone."""
    return one == other.model_copy(update={"version": one.version, "issued": one.issued})


def owners_text(product: str, key: str, channels: SequenceOf[str]) -> str:
    """A `root.toml` for a product with a single key."""
    lines = [f"{json.dumps(channel)} = 0" for channel in channels]
    role = f'{{ keys = ["{key}"], threshold = 1 }}'
    return "\n".join(
        [
            "# Who may sign what for this product. After an edit: floto-builder root",
            f'product = "{product}"',
            "",
            "[keys]  # name = file of the public key, beside this file",
            f'{json.dumps(key)} = "{key}.pub"',
            "",
            "[roles]  # which keys, and how many different ones of them must sign",
            f"root = {role}  # the next root document",
            f"release = {role}  # bundles",
            f"authorise = {role}  # leave to go back to an older release",
            "",
            "[channels]  # name = lowest sequence that still counts",
            *lines,
            "",
            "[revoked]  # digest of a bundle's index = why nobody may use it any more",
            "",
        ]
    )


@dataclass(frozen=True)
class _Reading:
    owners: Owners
    toml: Toml
    file: Path

    def refusal(self, faults: Iterable[tuple[TreePath, str]]) -> DefinitionError:
        return _refusal(faults, self.toml, self.file)


def _read_owners(file: Path) -> _Reading:
    try:
        toml = parse_toml(file.read_bytes(), str(file))
        return _Reading(Owners.model_validate_json(json.dumps(toml.value, default=_plain)), toml, file)
    except OSError as error:
        raise DefinitionError(f"{file} cannot be read: {error.strerror}", "Make one: floto-builder keygen") from error
    except FaultyError as error:
        raise DefinitionError(str(error)) from error
    except ValidationError as error:
        raise _refusal(faults_of(error), toml, file) from error


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _refusal(faults: Iterable[tuple[TreePath, str]], toml: Toml, file: Path) -> DefinitionError:
    return DefinitionError(told(_fault(toml, file, path, message) for path, message in faults))


def _fault(toml: Toml, file: Path, path: TreePath, message: str) -> Fault:
    spot = toml.nearest(path)
    return Fault(f"{'.'.join(map(str, path))}: {message}", str(file), spot.line, spot.column)


def _keys(reading: _Reading, folder: Path) -> dict[str, str]:
    """The public keys by name, as hex; DefinitionError with all that is wrong with them and with their roles."""
    keys = {}
    faults = list[tuple[TreePath, str]]()
    for name, file in reading.owners.keys.items():
        try:
            keys[name] = public_from_pem((folder / file).read_bytes()).raw.hex()
        except OSError as error:
            faults.append((("keys", name), f"{folder / file}: {error.strerror}"))
        except SigningKeyError as error:
            faults.append((("keys", name), f"{folder / file}: {error.message}"))
    owners = reading.owners
    named = {name: keys.get(name, name) for name in owners.keys}
    if faults := [*faults, *faults_in(named, owners.roles, owners.channels)]:
        raise reading.refusal(faults)
    return keys


def _versions(folder: Path) -> Iterator[int]:
    for path in folder.glob("root-*.floto-root"):
        if match := re.fullmatch(r"root-([1-9][0-9]*)\.floto-root", path.name):
            yield int(match[1])


def _read(path: Path) -> Document:
    try:
        return read_document(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DefinitionError(f"{path} is no root document: {error}") from error
