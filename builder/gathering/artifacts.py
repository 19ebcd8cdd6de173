"""Artifacts by their recipes: made, or remembered from the last time that they were made from the same."""

from builder.artifact import Artifact, artifact_from_json
from builder.child import settled_environment
from builder.gathering.surroundings import Surroundings
from builder.images.contents import entry_of
from builder.images.layer import digest_of_entries
from builder.language.evaluation import ArtifactRecipe, Command
from builder.sources.command import make_artifact
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress
from bundle_format.shown.sizes import size_text


def gather_artifact(name: str, recipe: ArtifactRecipe, surroundings: Surroundings, progress: Progress) -> Artifact:
    """Bring an artifact into the store."""
    match recipe:
        case Command():
            return _made(name, recipe, surroundings, progress)
    raise DefinitionError(f"artifact {name}: {recipe.kind} artifacts cannot be gathered")


def _made(name: str, recipe: Command, surroundings: Surroundings, progress: Progress) -> Artifact:
    sources = [entry_of(member) for member in surroundings.project.members(recipe.source or ".")]
    key = {
        "command": list(recipe.command),
        "output": recipe.output,
        "sources": digest_of_entries(sources),
        "env": recipe.env,
        "epoch": surroundings.epoch,
    }
    known = surroundings.ledger.recall("command", key)
    if known is not None and (artifact := artifact_from_json(known)).in_store(surroundings.store):
        progress.note(f"artifact {name}: {size_text(artifact.size)}, reused")
        return artifact
    with progress.task(f"making artifact {name}") as task, surroundings.log(f"artifact {name}", task) as log:
        artifact = make_artifact(
            recipe,
            sources,
            surroundings.store,
            env=settled_environment(surroundings.env, surroundings.epoch, recipe.env),
            epoch=surroundings.epoch,
            log=log,
            task=task,
        )
    surroundings.ledger.remember("command", key, value=artifact.to_json())
    progress.note(f"artifact {name}: {size_text(artifact.size)}, made")
    return artifact
