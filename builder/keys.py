"""New keys, and new products whose sites shall believe them; every file is written once and never over another."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from builder.roots import OWNERS_FILE, draft_root, owners_text, root_file
from bundle_format.errors import DefinitionError, FlotoError
from bundle_format.release.fields import Name
from bundle_format.release.value import faults_of
from bundle_format.trust.documents import Document
from bundle_format.trust.private import write_new
from bundle_format.trust.signing import Signer

_NAME = TypeAdapter[str](Name)
_PUBLIC = 0o644
_IGNORED = "# Private keys stay where they were made.\n*.key\n"


@dataclass(frozen=True)
class KeyFiles:
    """A new key's two files: the private one never leaves, the public one may go anywhere."""

    signer: Signer
    private: Path
    public: Path


def make_key(folder: Path, name: str, seed: bytes, passphrase: bytes, salt: bytes) -> KeyFiles:
    """Make `folder`/`name`.key (0600, locked where a passphrase is given) and `name`.pub; FlotoError if one is there.

    `seed` and `salt` are 32 random bytes each.
    """
    check_new_key(folder, name)
    files = KeyFiles(Signer(seed), *_places(folder, name))
    folder.mkdir(parents=True, exist_ok=True)
    write_new(files.private, files.signer.to_pem(passphrase, salt))
    write_new(files.public, files.signer.public.to_pem(), mode=_PUBLIC)
    ignored = folder / ".gitignore"
    if not ignored.exists():
        write_new(ignored, _IGNORED.encode(), mode=_PUBLIC)
    return files


def begin_product(folder: Path, product: str, channels: Sequence[str], key: KeyFiles, issued: int) -> Document:
    """Write `root.toml` and the first root document of a product with a single key; `issued` is seconds since 1970."""
    owners = owners_text(product, key.private.stem, channels)
    write_new(folder / OWNERS_FILE, owners.encode(), mode=_PUBLIC)
    document = draft_root(folder, issued).to_document()
    document = document.signed(key.signer.sign(document.message))
    write_new(root_file(folder, 1), document.to_bytes(), mode=_PUBLIC)
    return document


def check_new_key(folder: Path, name: str) -> None:
    """FlotoError when a key of that name is in `folder`, or the name cannot be a key's."""
    _check_name(name, "key")
    _check_absent(*_places(folder, name))


def check_new_product(folder: Path, channels: Sequence[str]) -> None:
    """FlotoError when `folder` belongs to a product already, or a name cannot be a channel's."""
    for channel in channels:
        _check_name(channel, "channel")
    _check_absent(folder / OWNERS_FILE, *folder.glob("root-*.floto-root"))


def _check_name(name: str, what: str) -> None:
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        raise DefinitionError(f"{name!r} cannot name a {what}: {faults_of(error)[0][1]}") from error


def _check_absent(*paths: Path) -> None:
    if present := [str(path) for path in paths if path.exists()]:
        raise FlotoError(
            f"already there, and left as it is: {', '.join(present)}",
            "A key or a root document is never written over: choose another name or folder (--into).",
        )


def _places(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.key", folder / f"{name}.pub"
