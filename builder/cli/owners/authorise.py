"""`floto-builder authorise`: leave for one site to go back to an older bundle, or to begin anew."""

import re
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from builder.cli.owners.sign import tell
from builder.cli.signing_key import add_passphrase_options, read_signer
from builder.roots import read_chain
from builder.signable import attach, open_signable
from bundle_format.countersign import read_unjudged
from bundle_format.errors import ExitCode, FlotoError, RefusedError
from bundle_format.release.value import faults_of
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.admission import DAY
from bundle_format.trust.authorisation import Authorisation, Lowering, Reset
from bundle_format.trust.private import write_new
from bundle_format.trust.roots import Root, check_still_counts
from bundle_format.trust.words import spelled

EXAMPLES = """\
  floto-builder authorise krakow.floto-permit --site krakow-1 --back-to shop-2024.2.floto \\
      --reason "2024.3 loses orders" --key keys/shop.key
  floto-builder authorise krakow.floto-permit --reset "legal winner thank year ..." --at stable=120 \\
      --reason "disk replaced" --key keys/shop.key
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="where to write the authorisation")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--back-to", metavar="BUNDLE", type=Path, help="allow this bundle although a newer one was taken")
    what.add_argument("--reset", metavar="WORDS", help="begin anew; the words are the challenge that the site told")
    parser.add_argument("--site", metavar="NAME", help="with --back-to: the one site that it is for")
    parser.add_argument(
        "--at", metavar="CHANNEL=N", action="append", default=[], help="with --reset: the sequence that the site ran"
    )
    parser.add_argument("--reason", required=True, help="why, for those who read it later")
    parser.add_argument("--days", metavar="N", type=_days, default=14, help="how long it holds; default: 14")
    parser.add_argument("--roots", metavar="FOLDER", type=Path, default=Path("keys"), help="default: ./keys")
    parser.add_argument("--key", metavar="FILE", type=Path, required=True, help="the private key that signs it")
    parser.add_argument("--json", action="store_true", help="say it for a script")
    add_passphrase_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    root = read_chain(arguments.roots).newest
    product = root.product
    issued = int(time.time())  # not SOURCE_DATE_EPOCH: it runs out a few days from today
    try:
        authorisation = Authorisation(
            product=product,
            site=arguments.site,
            issued=issued,
            expires=issued + arguments.days * DAY,
            reason=arguments.reason,
            lower=_lowering(arguments, root) if arguments.back_to else None,
            reset=_reset(arguments, root) if arguments.reset else None,
        )
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, path))}: {fault}" for path, fault in faults_of(error))
        raise FlotoError(f"no authorisation can say this: {faults}") from error
    signer = read_signer(arguments.key, arguments, terminal)
    if signer.public not in root.role_keys("authorise").values():
        raise FlotoError(
            f"{arguments.key} is none of the keys that authorise for {product}: {', '.join(root.roles.authorise.keys)}",
            "Use one of them, or let the owners name the new key: floto-builder root",
        )
    write_new(arguments.file, authorisation.to_document().to_bytes(), mode=0o644)
    unsigned = open_signable(arguments.file)
    signed = attach(unsigned, signer.public, signer.sign(unsigned.message).content)
    tell(replace(signed, asked=((root, "authorise"),)), arguments, terminal)
    return ExitCode.DONE


def _lowering(arguments: Namespace, root: Root) -> Lowering:
    if not arguments.site:
        raise FlotoError("--back-to needs --site: who may go back is always one site")
    bundle = read_unjudged(arguments.back_to)
    index, digest = bundle.index, bundle.page.index_digest
    if index.product != root.product:
        raise FlotoError(f"{arguments.back_to} is of {index.product}, the roots are of {root.product}")
    _check_channel(index.channel, root)
    try:
        check_still_counts(root, index.channel, index.sequence, digest)
    except RefusedError as error:
        raise RefusedError(
            f"no site would go back to {arguments.back_to}: {error.message}", "Allow a bundle that still counts."
        ) from error
    return Lowering(channel=index.channel, sequence=index.sequence, index=digest)


def _check_channel(channel: str, root: Root) -> None:
    if channel not in root.channels:
        raise FlotoError(f"{root.product} has no channel {channel!r}", f"It has: {', '.join(root.channels)}.")


def _reset(arguments: Namespace, root: Root) -> Reset:
    try:
        challenge = spelled(arguments.reset)
    except ValueError as error:
        raise FlotoError(f"--reset: the challenge cannot be read: {error}", "Have it spelled again.") from error
    channels = {}
    for told in arguments.at:
        match = re.fullmatch(r"(.+)=([0-9]{1,15})", told)
        if not match:
            raise FlotoError(f"--at {told} is not CHANNEL=N", "Such as: --at stable=120")
        _check_channel(match[1], root)
        channels[match[1]] = int(match[2])
    return Reset(challenge=challenge, channels=channels)


def _days(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise ArgumentTypeError(f"{text!r} is no number of days")
    return int(text)


VERB = Verb("authorise", "Allow one site to go back to an older bundle, or to begin anew.", _configure, _run, EXAMPLES)
