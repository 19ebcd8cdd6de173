"""`floto-builder keygen`: a key, and for a new product the root document that makes sites believe it."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from builder.cli.clock import now
from builder.cli.signing_key import add_passphrase_options, new_passphrase
from builder.keys import begin_product, check_new_key, check_new_product, make_key
from builder.roots import OWNERS_FILE, root_file
from bundle_format.errors import ExitCode
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.passphrase import SALT_SIZE
from bundle_format.trust.signing import KEY_SIZE
from bundle_format.trust.words import words_of

EXAMPLES = """\
  floto-builder keygen shop                  a product with a single key, in ./keys
  floto-builder keygen ann --key-only        a key alone, for a product with several owners
  floto-builder keygen ci --key-only --passphrase-env CI_PASSPHRASE
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="the product's name; with --key-only, the key's")
    parser.add_argument("--key-only", action="store_true", help="make no root document: the key joins others'")
    parser.add_argument("--into", metavar="FOLDER", type=Path, default=Path("keys"), help="default: ./keys")
    parser.add_argument("--channel", metavar="NAME", action="append", help="a channel of releases; default: stable")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_passphrase_options(parser, new=True)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    folder: Path = arguments.into
    check_new_key(folder, arguments.name)
    channels = tuple(dict.fromkeys(arguments.channel or ["stable"]))
    if not arguments.key_only:
        check_new_product(folder, channels)
    passphrase = new_passphrase(arguments, terminal)
    key = make_key(folder, arguments.name, os.urandom(KEY_SIZE), passphrase, os.urandom(SALT_SIZE))
    made = {
        key.private: "the private key: never leaves this place" + ("" if passphrase else ", and is NOT locked"),
        key.public: "its public key",
    }
    fingerprint = None
    if not arguments.key_only:
        fingerprint = begin_product(folder, arguments.name, channels, key, now()).fingerprint
        made[folder / OWNERS_FILE] = "who may sign what: edit it, then floto-builder root"
        made[root_file(folder, 1)] = "goes to every site, once: floto-agent trust enrol"
    if arguments.json:
        files = {"private": str(key.private), "public": str(key.public)}
        root = {"root": str(root_file(folder, 1)), "fingerprint": fingerprint} if fingerprint else {}
        words = {"words": words_of(fingerprint)} if fingerprint else {}
        terminal.json({"key_id": key.signer.public.key_id.hex(), **files, **root, **words})
        return ExitCode.DONE
    width = max(len(str(path)) for path in made)
    terminal.say("\n".join(f"{path!s:{width}}  {what}" for path, what in made.items()))
    if fingerprint:
        terminal.say(f"\nfingerprint, for the delivery note or the phone:\n  {fingerprint}\n  {words_of(fingerprint)}")
    return ExitCode.DONE


VERB = Verb("keygen", "Make a key, and for a new product its first root document.", _configure, _run, EXAMPLES)
