"""`floto-builder root`: the next root document, from an edited `root.toml`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.clock import now
from builder.cli.owners.sign import tell
from builder.cli.signing_key import add_passphrase_options, read_signer
from builder.roots import draft_root, read_chain, root_file, says_the_same
from builder.signable import attach, open_signable
from bundle_format.errors import DefinitionError, ExitCode
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.private import write_new

EXAMPLES = """\
  floto-builder root                          after an edit of keys/root.toml, or to see the fingerprint again
  floto-builder root keys --key keys/ann.key  the same, signed by ann; the others follow with floto-builder sign
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, default=Path("keys"), help="holds root.toml; default: ./keys")
    parser.add_argument("--key", metavar="FILE", type=Path, help="sign the new root document with this private key")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_passphrase_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    folder: Path = arguments.folder
    root = draft_root(folder, now())
    if root.version > 1 and says_the_same(root, read_chain(folder).newest):
        terminal.warn(f"root {root.version - 1} says all that root.toml does; nothing to write")
        tell(open_signable(root_file(folder, root.version - 1)), arguments, terminal)
        return ExitCode.DONE
    signer = read_signer(arguments.key, arguments, terminal) if arguments.key else None
    path = root_file(folder, root.version)
    write_new(path, root.to_document().to_bytes(), mode=0o644)
    written = open_signable(path)
    if signer:
        try:
            written = attach(written, signer.public, signer.sign(written.message).content)
        except DefinitionError:
            path.unlink()  # unsigned it would stand in the way of every build
            raise
    tell(written, arguments, terminal)
    return ExitCode.DONE


VERB = Verb("root", "Make the next root document: new keys, other roles, revocations.", _configure, _run, EXAMPLES)
