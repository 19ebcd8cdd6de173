"""`floto-builder render`: any file of any container, and any document, exactly as a site's file would make it."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from builder.language.evaluate import evaluate
from builder.project import Project
from builder.rehearsal.draft import draft
from builder.rehearsal.masked import bind_draft, rendered
from bundle_format.errors import DefinitionError, ExitCode
from bundle_format.release.model import Release
from bundle_format.site.secret import read_secrets
from bundle_format.site.sitefile import Site, load_site
from bundle_format.terminal import Terminal, Verb

EXAMPLES = """\
  floto-builder render --site site.toml                           what can be rendered
  floto-builder render --site site.toml front:/etc/nginx.conf     a file of a container
  floto-builder render --site site.toml addresses.md              a document
  floto-builder render --site site.toml front:env                 a container's environment
  floto-builder render --site site.toml --into FOLDER             everything, as files
"""


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="WHAT", help="CONTAINER:/PATH, CONTAINER:env or DOCUMENT")
    parser.add_argument("--project", metavar="DIR", type=Path, default=Path(), help="folder of the definition")
    parser.add_argument("--site", metavar="FILE", type=Path, default=Path("site.toml"), help="default: site.toml")
    parser.add_argument("--reveal", action="store_true", help="read the secrets and show them")
    parser.add_argument("--into", metavar="FOLDER", type=Path, help="write everything below a new folder")


def _run(arguments: Namespace, terminal: Terminal) -> ExitCode:
    sketch = draft(evaluate(arguments.project), Project(arguments.project))
    site = load_site(arguments.site, sketch.release)
    secrets = _secrets(sketch.release, site, terminal) if arguments.reveal else None
    texts = rendered(bind_draft(sketch, site, secrets))
    if arguments.into:
        _write(arguments.into, texts)
        terminal.say(f"{len(texts)} files in {arguments.into}")
    elif arguments.what:
        terminal.content(_chosen(arguments.what, texts))
    else:
        terminal.say("\n".join(f"{len(content):>9,}  {name}" for name, content in texts.items()))
    return ExitCode.DONE


def _secrets(release: Release, site: Site, terminal: Terminal) -> dict[str, str]:
    return read_secrets(site, release.parameters, site.secrets, os.environ, terminal.secret)


def _chosen(what: str, texts: Mapping[str, bytes]) -> bytes:
    if what not in texts:
        near = get_close_matches(what, texts, 1)
        hint = f"Did you mean {near[0]}?" if near else "Without WHAT all that there is is listed."
        raise DefinitionError(f"nothing is rendered as {what}", hint)
    return texts[what]


def _write(folder: Path, texts: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(parents=True, mode=0o700)
    except FileExistsError as error:
        raise DefinitionError(f"{folder} is there already", "Name a new folder; nothing was written.") from error
    for name, content in texts.items():
        place = folder / name.replace(":", "/", 1).replace("//", "/", 1)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


VERB = Verb("render", "Print files and documents exactly as a site would make them.", _configure, _run, EXAMPLES)
