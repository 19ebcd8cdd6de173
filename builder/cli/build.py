"""`floto-builder build`: a definition becomes one signed bundle."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.attestations.attest import attest
from builder.cli.clock import now
from builder.cli.gathering import add_gathering_options, check_locked, locked, surroundings_of
from builder.cli.heading import add_heading_options, heading_of
from builder.cli.signing_key import add_passphrase_options, read_signer
from builder.delta import Baseline, baseline_at, baseline_of
from builder.gather import gather
from builder.gathering.outside import Outside
from builder.language.evaluate import evaluate
from builder.language.evaluation import Evaluation
from builder.pack import Makers, pack, release_of
from builder.project import Project
from builder.resolve import lock_of, resolve
from builder.roots import read_chain
from builder.sources.git import revision
from builder.web.client import Patience
from builder.web.settings import read_settings
from bundle_format.durable import check_place
from bundle_format.errors import DamageError, DefinitionError, ExitCode, FlotoError, TrustError
from bundle_format.inventory import fingerprint_of, read_inventory
from bundle_format.progress import Progress
from bundle_format.reader import Bundle, open_bundle
from bundle_format.release.model import Release
from bundle_format.shown.sizes import size_text
from bundle_format.store import Store
from bundle_format.terminal import Terminal, Verb
from bundle_format.trust.admission import day
from bundle_format.trust.signing import Signer
from bundle_format.trust.trust import Trust
from bundle_format.trust.words import words_of
from bundle_format.writer import Heading, Written

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
    parser.add_argument("--base", metavar="BUNDLE", type=Path, action="append", help="leave out what is in it")
    parser.add_argument("--for", metavar="FILE", type=Path, dest="inventory", help="leave out what that site has")
    parser.add_argument("--json", action="store_true", help="say the outcome for a script")
    parser.add_argument("--locked", action="store_true", help="fail where what floto.lock pins is now another")
    parser.add_argument(
        "--release", action="store_true", help="--locked, and fail where anything of the project is not committed"
    )
    add_heading_options(parser)
    add_gathering_options(parser)
    add_passphrase_options(parser)


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    evaluation = evaluate(arguments.project)
    makers = _makers(arguments, terminal, evaluation)
    path = _place(arguments, evaluation)
    project = Project(arguments.project)
    if arguments.release:
        _check_clean(project)
    lock = locked(project, needed=arguments.locked or arguments.release)
    surroundings, progress = surroundings_of(arguments, project), terminal.progress()
    with Outside(surroundings, read_settings(project), Patience()) as outside:
        resolution = resolve(evaluation, surroundings, outside, progress, lock=lock)
        found = lock_of(evaluation, resolution, surroundings)
        if arguments.locked or arguments.release:
            check_locked(lock, evaluation, found)
        gathered = gather(evaluation, resolution, surroundings, outside, progress)
    release = release_of(evaluation, gathered)
    heading = heading_of(arguments, project, release, lock, terminal)
    attestations = attest(
        evaluation, release, gathered, surroundings, lock=found, issued=heading.issued, progress=progress
    )
    heading = replace(heading, attestations=attestations)
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


def _check_clean(project: Project) -> None:
    state = revision(project.root)
    if state is None or state.endswith("-dirty"):
        raise DefinitionError(
            f"{project.root} is {'not in git' if state is None else 'changed since its last commit'}",
            "A --release build is of what is committed: commit first, or build without --release.",
        )


def _makers(arguments: Namespace, terminal: Terminal, evaluation: Evaluation) -> Makers:
    """Whoever signs, known before anything is gathered: there is no unsigned bundle."""
    if not arguments.key:
        raise DefinitionError(
            "no --key: every bundle is signed",
            f"The first time: floto-builder keygen {evaluation.product}; then --key keys/{evaluation.product}.key",
        )
    signers: dict[Path, Signer] = {}
    for file in arguments.key:
        signer = read_signer(file, arguments, terminal)
        if any(signer.public == other.public for other in signers.values()):
            raise DefinitionError(f"--key {file}: this key was given before", "Each key signs once: name another one.")
        signers[file] = signer
    makers = Makers(read_chain(arguments.roots or arguments.key[0].parent), signers)
    makers.check(evaluation.product, arguments.channel)
    return makers


def _place(arguments: Namespace, evaluation: Evaluation) -> Path:
    """Where the bundle goes, known to be possible before anything is gathered: not over what it is made of."""
    path: Path = arguments.output or Path(f"{evaluation.product}-{evaluation.version}.floto")
    told = [*arguments.key, *(arguments.base or ()), *([arguments.inventory] if arguments.inventory else [])]
    named = [arguments.project / name for name in (*evaluation.sources, *evaluation.files)]
    check_place(path, [*told, *named], "Raise the version in site.star, or name another file with --output.")
    return path


@contextmanager
def _baseline(arguments: Namespace, makers: Makers, store: Store, progress: Progress) -> Iterator[Baseline | None]:
    if not arguments.base and not arguments.inventory:
        yield None
        return
    first, *_ = makers.chain.documents
    trust = Trust().enrol(first, clock=now()).follow(b"".join(makers.chain.to_sections()))
    with ExitStack() as opened:
        bundles = [opened.enter_context(_base(base, trust)) for base in arguments.base or ()]
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


def _base(path: Path, trust: Trust) -> Bundle:
    try:
        return open_bundle(path, trust)
    except TrustError as error:
        raise TrustError(
            f"--base {path}: {error.message}", "A delta counts on bundles of the same product and keys alone."
        ) from error
    except DamageError as error:
        raise DamageError(f"--base {path}: {error.message}", "Take another copy of it.") from error


def _outcome(written: Written, release: Release, heading: Heading, makers: Makers) -> dict[str, Any]:
    root = makers.chain.newest
    names = {key.key_id: name for name, key in root.role_keys("release").items()}
    signers = [names[signer.public.key_id] for signer in makers.signers.values()]
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


VERB = Verb("build", "Gather everything of a release and write its signed bundle.", _configure, _run, EXAMPLES)
