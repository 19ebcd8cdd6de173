"""`floto-agent trust`: whom this site believes, and what it remembers of them."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from agent.cli.places import add_state_option, state_of
from agent.floor import FLOOR
from bundle_format.countersign import read_unjudged
from bundle_format.errors import DamageError, ExitCode, FlotoError, MissingError, TrustError, UnknownKeyError
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.admission import DAY, day
from bundle_format.trust.documents import (
    CHAIN_LIMIT,
    Document,
    Kind,
    is_document,
    product_id,
    read_documents,
    write_documents,
)
from bundle_format.trust.enrolment import Enrolment
from bundle_format.trust.roots import ROLES
from bundle_format.trust.state import TrustFolder
from bundle_format.trust.trust import Trust
from bundle_format.trust.words import matches, words_of

EXAMPLES = """\
  floto-agent trust enrol root-1.floto-root
  floto-agent trust enrol root-1.floto-root --fingerprint "legal winner thank year ..."
  floto-agent trust show
  floto-agent trust update root-2.floto-root    (bundles bring new root documents by themselves)
  floto-agent trust update krakow.floto-permit  (leave to go back, from the makers)
  floto-agent trust hypervisor default --site site.toml
"""


def _configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    enrol = verbs.add_parser("enrol", help="believe a product's makers, once their fingerprint was compared")
    enrol.add_argument("file", type=Path, help="the product's root document")
    enrol.add_argument("--fingerprint", metavar="WORDS", help="what the makers told: 12 words, or 64 hex digits")
    enrol.add_argument("--reset", metavar="FILE", type=Path, help="the makers' reset, where this site lost its memory")
    enrol.set_defaults(act=_enrol)
    show = verbs.add_parser("show", help="tell whom this site believes and what it remembers")
    show.set_defaults(act=_show)
    update = verbs.add_parser("update", help="learn newer root documents, or leave to go back")
    update.add_argument("files", metavar="FILE", nargs="+", type=Path, help="root document, authorisation or bundle")
    update.set_defaults(act=_update)
    for verb in (enrol, show, update):
        verb.add_argument("--json", action="store_true", help="say it for a script")
        add_state_option(verb)
    machines = verbs.add_parser("hypervisor", help="believe a hypervisor's certificate, once it was compared")
    machines.add_argument("name", help="as in [hypervisors.NAME] of the site's file")
    machines.add_argument("--thumbprint", metavar="HEX", help="SHA-256, as its console shows it: then nobody is asked")
    machines.add_argument("--site", type=Path, default=Path("site.toml"), metavar="FILE", help="default: ./site.toml")
    machines.set_defaults(act=None)
    add_state_option(machines)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    if arguments.act is None:
        from agent.cli.hypervisor import enrol

        return enrol(arguments, terminal)
    folder = TrustFolder(state_of(arguments), FLOOR)
    trust: Trust = arguments.act(arguments, terminal, folder)
    if arguments.json:
        terminal.json({"challenge": trust.challenge, "products": [_json(one) for one in trust.enrolments.values()]})
    elif not trust.enrolments:
        terminal.say("nothing is enrolled")
        if trust.challenge:
            terminal.say(f"the memory of this site was lost or tampered with; its challenge: {trust.challenge}")
    else:
        terminal.say("\n\n".join(_told(one, int(time.time())) for one in trust.enrolments.values()))
    return ExitCode.DONE


def _enrol(arguments: Namespace, terminal: Terminal, folder: TrustFolder) -> Trust:
    document = _document(arguments.file)
    if document.kind is not Kind.ROOT:
        raise FlotoError(f"{arguments.file} is no root document")
    _compare(document, arguments.fingerprint, terminal)
    reset = _document(arguments.reset) if arguments.reset else None
    return folder.change(lambda trust: trust.enrol(document, clock=int(time.time()), reset=reset))


def _show(_: Namespace, terminal: Terminal, folder: TrustFolder) -> Trust:
    trust, warnings = folder.load()
    for warning in warnings:
        terminal.warn(f"warning: {warning}")
    return trust


def _update(arguments: Namespace, _: Terminal, folder: TrustFolder) -> Trust:
    documents = [document for file in arguments.files for document in _documents(file)]

    def updated(trust: Trust) -> Trust:
        for document in documents:
            if document.product_id not in map(product_id, trust.enrolments):
                raise UnknownKeyError(
                    "the documents are of a product that this site does not know", "Enrol it: floto-agent trust enrol"
                )
        trust = trust.follow(write_documents(one for one in documents if one.kind is Kind.ROOT))
        for document in documents:
            if document.kind is Kind.AUTHORISATION:
                trust = trust.permit(document, clock=int(time.time()))
        return trust

    return folder.change(updated)


def _compare(document: Document, told: str | None, terminal: Terminal) -> None:
    """TrustError unless the fingerprint is the one that the makers told by another way than the file came."""
    if told is None:
        _ask(document, terminal)
        return
    try:
        same = matches(document.fingerprint, told)
    except ValueError as error:
        raise FlotoError(f"the fingerprint cannot be read: {error}", "Have it spelled again.") from error
    if not same:
        # The file's own fingerprint stays unsaid: somebody in a hurry would copy it.
        raise TrustError(
            "BAD: this is not the root document that you were told of; nothing was enrolled",
            "Compare what you typed word by word; if that is right, somebody changed the file: call the makers.",
        )


def _ask(document: Document, terminal: Terminal) -> None:
    words = words_of(document.fingerprint)
    terminal.warn(f"The fingerprint of this root document is\n  {document.fingerprint}\n  {words}")
    try:
        same = terminal.ask("Did the makers tell you the same, by another way than this file came?")
    except FlotoError as error:
        raise FlotoError(error.message, "Tell what the makers told you: --fingerprint WORDS") from error
    if not same:
        raise TrustError("the fingerprint was not confirmed; nothing was enrolled", "Call the makers and compare.")


def _document(path: Path) -> Document:
    documents = _documents(path)
    if len(documents) != 1:
        raise FlotoError(f"{path} holds {len(documents)} documents; one is wanted")
    return documents[0]


def _documents(path: Path) -> tuple[Document, ...]:
    """The documents in a file: one or several of them, or those that a bundle carries."""
    try:
        with path.open("rb") as file:
            content = file.read(CHAIN_LIMIT + 1)
        return read_documents(content) if is_document(content) else read_unjudged(path).chain
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DamageError(f"{path} is damaged: {error}", "Fetch another copy.") from error


def _told(enrolment: Enrolment, clock: int) -> str:
    root, memory = enrolment.root, enrolment.memory
    expires = f", expires {day(root.expires)}" if root.expires is not None else ""
    lines = [
        f"{root.product}: root {root.version}, issued {day(root.issued)}{expires}",
        f"  fingerprint  {enrolment.fingerprint}",
        f"               {words_of(enrolment.fingerprint)}",
        *(f"  {role:11}  {root.threshold(role)} of {', '.join(root.role_keys(role))}" for role in ROLES),
    ]
    for channel in root.channels:
        taken = memory.channels.get(channel)
        age = max(0, max(clock, memory.time) - taken.issued) // DAY if taken else 0
        state = f"took sequence {taken.sequence}, {age} days old" if taken else "nothing taken yet"
        lines.append(f"  {channel:11}  {state}")
    lines += [
        f"  permit       sequence {permit.sequence} on {permit.channel} at {permit.site or 'any site'}, "
        f"until {day(permit.expires)}"
        for permit in memory.permits
    ]
    return "\n".join(lines)


def _json(enrolment: Enrolment) -> dict[str, Any]:
    return {"words": words_of(enrolment.fingerprint), **enrolment.model_dump(mode="json")}


VERB = Verb("trust", "Enrol a product's makers, show whom this site believes.", _configure, _run, EXAMPLES)
