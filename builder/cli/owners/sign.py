"""`floto-builder sign`: one more signature on a finished bundle, root document or authorisation."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.signing_key import add_passphrase_options, read_public, read_signer
from builder.signable import Signable, Tally, attach, open_signable
from bundle_format.errors import ExitCode, FlotoError
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.private import write_new
from bundle_format.trust.words import words_of

EXAMPLES = """\
  floto-builder sign shop-2024.3.floto --key keys/ann.key
a ceremony, on a machine that has the key and nothing of floto:
  floto-builder sign shop-2024.3.floto --export message
  openssl pkeyutl -sign -rawin -inkey ann.key -in message -out signature
  floto-builder sign shop-2024.3.floto --attach signature --public keys/ann.pub
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a bundle, a root document or an authorisation")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--key", metavar="FILE", type=Path, help="sign with this private key")
    how.add_argument("--export", metavar="FILE", type=Path, help="write the bytes to be signed elsewhere")
    how.add_argument("--attach", metavar="FILE", type=Path, help="add a raw signature that was made elsewhere")
    how.add_argument("--show", action="store_true", help="tell who has signed, and sign nothing")
    parser.add_argument("--public", metavar="FILE", type=Path, help="with --attach: the public key of who signed")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_passphrase_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    signable = open_signable(arguments.file)
    if bool(arguments.attach) != bool(arguments.public):
        raise FlotoError("--attach and --public go together", "Name the public key of who made the signature.")
    if arguments.export:
        write_new(arguments.export, signable.message, mode=0o644)
    elif arguments.attach:
        signable = attach(signable, read_public(arguments.public), _content(arguments.attach))
    elif arguments.key:
        signer = read_signer(arguments.key, arguments, terminal)
        signable = attach(signable, signer.public, signer.sign(signable.message).content)
    tell(signable, arguments, terminal)
    return ExitCode.DONE


def tell(signable: Signable, arguments: Namespace, terminal: Terminal) -> None:
    """Say what the file is, by which digest its signers know it, and how far its signing has come."""
    tallies = signable.tallies()
    if arguments.json:
        terminal.json(
            {
                "file": str(signable.path),
                "what": signable.what,
                "digest": signable.digest,
                "words": words_of(signable.digest),
                "signatures": [
                    {"root": tally.root, "role": tally.role, "signers": tally.signers, "threshold": tally.threshold}
                    for tally in tallies
                ],
            }
        )
        return
    terminal.say(f"{signable.path}: {signable.what}\n  {signable.digest}\n  {words_of(signable.digest)}")
    for tally in tallies:
        terminal.say(f"  {_told(tally)}")


def _told(tally: Tally) -> str:
    names = f" ({', '.join(tally.signers)})" if tally.signers else ""
    missing = max(0, tally.threshold - len(tally.signers))
    done = f"{missing} more to go" if missing else "complete"
    return f"{tally.role} keys of root {tally.root}: {len(tally.signers)} of {tally.threshold} signed{names}, {done}"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FlotoError(f"{path} cannot be read: {error.strerror}") from error


VERB = Verb("sign", "Add a signature to a bundle, a root document or an authorisation.", _configure, _run, EXAMPLES)
