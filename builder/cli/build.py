"""`floto-builder build`: a definition becomes one signed bundle."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from builder.cli.clock import now
from builder.cli.places import add_store_option, store_of
from builder.cli.signing_key import add_passphrase_options, read_signer
from builder.delta import Baseline, baseline_at, baseline_of
from builder.gather import gather
from builder.gathering.surroundings import Surroundings
from builder.language.evaluate import evaluate
from builder.language.evaluation import Evaluation
from builder.ledger import Ledger
from builder.pack import Makers, pack, release_of
from builder.project import Project
from builder.roots import read_chain
from builder.sources.git import commit_count, commit_time, uncommitted
from bundle_format.canonical import MAX_INT
from bundle_format.errors import DefinitionError, ExitCode, FlotoError
from bundle_format.inventory import fingerprint_of, read_inventory
from bundle_format.progress import Progress
from bundle_format.reader import open_bundle
from bundle_format.release.fields import Name
from bundle_format.release.model import OLDEST_AGENT, Release
from bundle_format.shown.sizes import size_text
from bundle_format.store import Store
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.admission import day
from bundle_format.trust.trust import Trust
from bundle_format.trust.words import words_of
from bundle_format.writer import Heading, Written

MADE = 946684800
"""2000-01-01T00:00:00Z: the time of everything that is made, so that what is not changed is the same in each release.

Zip files know no time before 1980, and a release's own date would make every layer new with every release.
"""

EXAMPLES = """\
  floto-builder build --key keys/shop.key
  floto-builder build examples/shop --key keys/shop.key --output shop.floto --sequence 7
  floto-builder build --key keys/shop.key --base shop-2024.1.floto    (what a site that has 2024.1 lacks)
  floto-builder build --key keys/shop.key --for krakow-1.inventory    (what the site that wrote this lacks)
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("project", nargs="?", type=Path, default=Path(), help="folder of site.star; default: this one")
    parser.add_argument("--key", metavar="FILE", type=Path, action="append", help="sign with it; may be repeated")
    parser.add_argument("--roots", metavar="FOLDER", type=Path, help="the root documents; default: beside the key")
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: PRODUCT-VERSION.floto")
    parser.add_argument("--channel", metavar="NAME", default="stable", help="default: stable")
    parser.add_argument(
        "--sequence", metavar="N", type=_number, help="number of the release; default: how many commits the project has"
    )
    parser.add_argument("--expires", metavar="DATE", type=_day, help="last day on which sites may take it: 2025-12-31")
    parser.add_argument(
        "--only-for", metavar="SITE", type=_site, action="append", help="may be repeated; default: any site may take it"
    )
    parser.add_argument("--engine", metavar="ADDRESS", help="docker engine to build with; default: $DOCKER_HOST")
    parser.add_argument("--base", metavar="BUNDLE", type=Path, action="append", help="leave out what is in it")
    parser.add_argument("--for", metavar="FILE", type=Path, dest="inventory", help="leave out what that site has")
    parser.add_argument("--json", action="store_true", help="say the outcome for a script")
    add_store_option(parser)
    add_passphrase_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    evaluation = evaluate(arguments.project)
    makers = _makers(arguments, terminal, evaluation)
    project = Project(arguments.project)
    surroundings = _surroundings(arguments, project)
    issued = _issued(project, terminal)
    progress = terminal.progress()
    release = release_of(evaluation, gather(evaluation, surroundings, progress))
    heading = Heading(
        channel=arguments.channel,
        sequence=_sequence(arguments, project, terminal),
        issued=issued,
        expires=arguments.expires,
        sites=tuple(arguments.only_for) if arguments.only_for else None,
        agent=OLDEST_AGENT,
        architectures=tuple(sorted({image.platform for image in release.images.values()})),
    )
    path: Path = arguments.output or Path(f"{release.product}-{release.version}.floto")
    with _baseline(arguments, makers, surroundings.store, progress) as baseline:
        written = pack(
            path, release, surroundings.store, heading=heading, makers=makers, baseline=baseline, progress=progress
        )
    outcome = _outcome(written, release, heading, makers)
    if arguments.json:
        terminal.json(outcome)
    else:
        terminal.say(_as_text(outcome))
    return ExitCode.DONE


def _makers(arguments: Namespace, terminal: Terminal, evaluation: Evaluation) -> Makers:
    """Whoever signs, known before anything is gathered: there is no unsigned bundle."""
    if not arguments.key:
        raise DefinitionError(
            "no --key: every bundle is signed",
            f"The first time: floto-builder keygen {evaluation.product}; then --key keys/{evaluation.product}.key",
        )
    chain = read_chain(arguments.roots or arguments.key[0].parent)
    makers = Makers(chain, tuple(read_signer(key, arguments, terminal) for key in arguments.key))
    makers.check(evaluation.product, arguments.channel)
    return makers


def _surroundings(arguments: Namespace, project: Project) -> Surroundings:
    root = store_of(arguments)
    return Surroundings(
        project=project,
        store=Store(root),
        ledger=Ledger(root / "ledger"),
        logs=root / "logs",
        engine=arguments.engine or os.environ.get("DOCKER_HOST"),
        env=os.environ,
        epoch=MADE,
    )


def _issued(project: Project, terminal: Terminal) -> int:
    """The release's date: of SOURCE_DATE_EPOCH, else of the project's last commit; the clock is not asked."""
    if os.environ.get("SOURCE_DATE_EPOCH"):
        return now()
    committed = commit_time(project.root)
    if committed is None:
        terminal.warn("no SOURCE_DATE_EPOCH and no commit says when this release was issued: it says 2000-01-01")
    return MADE if committed is None else committed


def _sequence(arguments: Namespace, project: Project, terminal: Terminal) -> int:
    """The release's number: as told, else that of the project's commits; nothing is guessed where git knows of none."""
    if arguments.sequence is not None:
        return int(arguments.sequence)
    counted = commit_count(project.root)
    if counted is None:
        terminal.warn(
            "warning: no --sequence, and git cannot count the project's commits (none, or a shallow clone): this is "
            "number 1,\nwhich a site that took a release before refuses"
        )
        return 1
    if uncommitted(project.root):
        terminal.warn(
            f"warning: what is built is not committed; this is number {counted} like its last commit,\n"
            "and a site that took another bundle of that number refuses it: commit first, or say --sequence"
        )
    return counted


@contextmanager
def _baseline(arguments: Namespace, makers: Makers, store: Store, progress: Progress) -> Iterator[Baseline | None]:
    if not arguments.base and not arguments.inventory:
        yield None
        return
    first, *_ = makers.chain.documents
    trust = Trust().enrol(first, clock=now()).follow(b"".join(makers.chain.to_sections()))
    with ExitStack() as opened:
        bundles = [opened.enter_context(open_bundle(base, trust)) for base in arguments.base or ()]
        if not arguments.inventory:
            yield baseline_of(bundles)
            return
        try:
            inventory, key = read_inventory(arguments.inventory.read_bytes())
        except OSError as error:
            raise FlotoError(f"{arguments.inventory} cannot be read: {error.strerror}") from error
        progress.note(
            f"for site {inventory.site} as of {day(inventory.written)}; its key: {words_of(fingerprint_of(key))}"
        )
        yield baseline_at(inventory, bundles, store)


def _outcome(written: Written, release: Release, heading: Heading, makers: Makers) -> dict[str, Any]:
    root = makers.chain.newest
    names = {key.key_id: name for name, key in root.role_keys("release").items()}
    signers = [names[signer.public.key_id] for signer in makers.signers]
    return {
        "bundle": str(written.path),
        "size": written.size,
        "index": written.index_digest,
        "product": release.product,
        "version": release.version,
        "channel": heading.channel,
        "sequence": heading.sequence,
        "root": root.version,
        "signers": signers,
        "signers_missing": max(0, root.threshold("release") - len(signers)),
    }


def _as_text(outcome: dict[str, Any]) -> str:
    missing = outcome["signers_missing"]
    lacking = f"; {missing} more must sign: floto-builder sign {outcome['bundle']}" if missing else ""
    number = f"number {outcome['sequence']} of channel {outcome['channel']}"
    return (
        f"{outcome['bundle']}: {outcome['product']} {outcome['version']}, {number}, {size_text(outcome['size'])}\n"
        f"  {outcome['index']}\n  {words_of(outcome['index'])}\n"
        f"  signed by {', '.join(outcome['signers'])} (root {outcome['root']}){lacking}"
    )


def _day(text: str) -> int:
    try:
        return int(datetime.combine(date.fromisoformat(text), time.max, UTC).timestamp())
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date such as 2025-12-31") from error


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < MAX_INT:
        raise ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _site(text: str) -> str:
    try:
        return str(TypeAdapter(Name).validate_python(text))
    except ValidationError as error:
        raise ArgumentTypeError(f"{text!r} is no name of a site") from error


VERB = Verb("build", "Gather everything of a release and write its signed bundle.", _configure, _run, EXAMPLES)
