"""What a release was made from, and by which tools: a statement as in-toto and SLSA 1.0 have it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from builder.gathering.surroundings import Gathered
from builder.language.evaluation import Evaluation
from builder.lock import Lock
from bundle_format import __version__
from bundle_format.digest import Digest, hex_of
from bundle_format.layout.frames import CODEC

_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://slsa.dev/provenance/v1"
_BUILD = "floto-build/1"


def provenance_of(
    evaluation: Evaluation, definition: Digest, lock: Lock, gathered: Gathered, revision: str | None
) -> bytes:
    """The statement about the release whose resolved form is `definition`, the same text for the same build.

    `lock` is what was resolved; `revision` the commit of the project, with `-dirty` where it was changed since.
    """
    build = {
        "buildType": _BUILD,
        "externalParameters": {"product": evaluation.product, "version": evaluation.version},
        "internalParameters": {"revision": revision or "unknown", "recipes": _recipes(evaluation)},
        "resolvedDependencies": list(_dependencies(evaluation, lock)),
    }
    tools = {"floto-builder": __version__, "evaluator": evaluation.evaluator, "codec": CODEC}
    run = {"builder": {"id": f"floto-builder/{__version__}", "version": tools}, "byproducts": _tools(gathered)}
    subject = {"name": f"{evaluation.product} {evaluation.version}", "digest": {"sha256": hex_of(definition)}}
    statement = {
        "_type": _STATEMENT,
        "subject": [subject],
        "predicateType": _PREDICATE,
        "predicate": {"buildDefinition": build, "runDetails": run},
    }
    return json.dumps(statement, indent=1, sort_keys=True).encode()


def _recipes(evaluation: Evaluation) -> dict[str, Any]:
    """How everything was made, as the definition says."""
    kinds: dict[str, Mapping[str, Any]] = {"artifact": evaluation.artifacts, "image": evaluation.images}
    kinds["machine image"] = evaluation.machine_images
    return {
        f"{kind} {name}": recipe.model_dump(mode="json", exclude_defaults=True) | {"kind": recipe.kind}
        for kind, recipes in kinds.items()
        for name, recipe in recipes.items()
    }


def _dependencies(evaluation: Evaluation, lock: Lock) -> Iterator[dict[str, Any]]:
    """Everything that came from outside or from the definition, by content."""
    for path, digest in sorted({**evaluation.sources, **lock.files}.items()):
        yield {"name": path, "digest": {"sha256": hex_of(digest)}}
    for name, image in sorted(lock.images.items()):
        yield {"name": name, "digest": {"sha256": hex_of(image.manifest)}}
    for reference, held in sorted(lock.engine.items()):
        yield {"name": f"{reference} of the engine", "digest": {"sha256": held.id.removeprefix("sha256:")}}
    for name, artifact in sorted(lock.artifacts.items()):
        if artifact.commit:
            yield {"name": name, "digest": {"gitCommit": artifact.commit}}
        for file, locked in sorted(artifact.files.items()):
            yield {"name": f"{name} {file}", "uri": locked.source, "digest": {"sha256": hex_of(locked.digest)}}


def _tools(gathered: Gathered) -> list[dict[str, Any]]:
    return [
        {"name": made, "annotations": dict(sorted(tools.items()))} for made, tools in sorted(gathered.tools.items())
    ]
