"""Machine images: made by packer or found as files, remembered by what they were made from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from builder.attestations.disks import packages_on
from builder.attestations.scan import remember_disk
from builder.gathering.surroundings import Gathered, Surroundings
from builder.language.evaluation import ArtifactFile, Disk, MachineImageRecipe, Packer, Placed, ProjectFile
from builder.layers.contents import Contents
from builder.layers.copies import copied
from builder.layers.layer import Entry, digest_of_entries
from builder.sources.machines.disk import Disks
from builder.sources.machines.packer import packed_image
from builder.work.child import Child, settled_environment
from bundle_format.digest import Digest
from bundle_format.errors import DefinitionError
from bundle_format.progress import Progress, Task
from bundle_format.release.model import MachineImage
from bundle_format.shown.sizes import size_text

_DESCRIPTORS = (".ovf", ".vmdk")
_PARTS = (".ovf", ".vmdk", ".mf")


@dataclass(frozen=True, slots=True)
class MachineImages:
    """Brings machine images into the store as raw disks."""

    surroundings: Surroundings
    contents: Contents
    gathered: Gathered

    def gather(self, name: str, recipe: MachineImageRecipe, progress: Progress) -> None:
        """One machine image; DefinitionError, naming it, where it cannot be had."""
        store, ledger = self.surroundings.store, self.surroundings.ledger
        try:
            entries = self.contents.entries(self._inputs(recipe))
            key = _key(recipe, entries, self.surroundings.epoch)
            known = ledger.recall("disk", key)
            how = "reused"
            if known is None or known["disk"] not in store:
                how = "made" if isinstance(recipe, Packer) else "read"
                known = self._made(name, recipe, entries, progress)
                ledger.remember("disk", key, value=known)
        except DefinitionError as error:
            raise DefinitionError(f"machine image {name}: {error.message}", error.hint) from error
        progress.note(f"machine image {name}: {size_text(known['size'])}, {how}")
        image = MachineImage(disk=Digest(known["disk"]), size=known["size"], source={"kind": recipe.kind})
        self.gathered.machine_images[name] = image
        if tools := known.get("tools"):
            self.gathered.tools[f"machine image {name}"] = tools

    def _made(self, name: str, recipe: MachineImageRecipe, entries: list[Entry], progress: Progress) -> dict[str, Any]:
        with (
            progress.task(f"making machine image {name}") as task,
            self.surroundings.log(f"machine image {name}", task) as log,
            self._image(recipe, entries, log, task) as image,
            self._disks(log, task).raw(image) as raw,
        ):
            with raw.open("rb") as stream:
                disk = self.surroundings.store.add(stream)
            remember_disk(self.surroundings.ledger, disk.digest, packages_on(raw, self.surroundings.env))
            tools = self._versions(recipe, converted=raw != image, log=log, task=task)
        return {"disk": disk.digest, "size": disk.size, "tools": tools}

    def _versions(
        self, recipe: MachineImageRecipe, *, converted: bool, log: Callable[[str], None], task: Task
    ) -> dict[str, str]:
        """What the programs that made a disk say of their versions."""
        asked = {"packer": ["packer", "version"]} if isinstance(recipe, Packer) else {}
        asked |= {"qemu-img": ["qemu-img", "--version"]} if converted else {}
        said: list[str] = []
        child = self._child(said, log, task)
        for command in asked.values():
            child.run(command)
        return {name: next((line for line in said if name in line.lower()), "unknown") for name in asked}

    @contextmanager
    def _image(
        self, recipe: MachineImageRecipe, entries: list[Entry], log: Callable[[str], None], task: Task
    ) -> Iterator[Path]:
        epoch, scratch = self.surroundings.epoch, self._scratch
        if isinstance(recipe, Packer):
            template, env = PurePosixPath(recipe.template).name, settled_environment(self.surroundings.env, epoch, {})
            with packed_image(
                template, recipe.variables, entries, epoch=epoch, scratch=scratch, env=env, log=log, task=task
            ) as image:
                yield image
        elif isinstance(recipe.content, ProjectFile):
            yield self.surroundings.project.file(recipe.content.path)
        else:
            with copied(entries, epoch, scratch) as folder:
                yield folder / entries[0].path

    def _disks(self, log: Callable[[str], None], task: Task) -> Disks:
        said: list[str] = []
        return Disks(self._scratch, self._child(said, log, task), said)

    def _child(self, said: list[str], log: Callable[[str], None], task: Task) -> Child:
        """A child process whose lines are kept in `said` too."""

        def hear(line: str) -> None:
            said.append(line)
            log(line)

        env = settled_environment(self.surroundings.env, self.surroundings.epoch, {"CHECKPOINT_DISABLE": "1"})
        return Child(self.surroundings.project.root, env, hear, task)

    def _inputs(self, recipe: MachineImageRecipe) -> list[Placed]:
        """What a machine image is made from, by the names that its maker sees; first the disk or template itself."""
        if isinstance(recipe, Packer):
            return [_placed(recipe.template), *recipe.files]
        match recipe.content:
            case ProjectFile(path=path):
                return [_placed(path), *self._beside(path)]
            case ArtifactFile(name=name):
                (file, *_) = self.gathered.artifacts[name].files
                return [Placed(path=file, content=recipe.content)]
        raise DefinitionError("a disk is a file of the project or an artifact")

    def _beside(self, path: str) -> list[Placed]:
        """The files that a descriptor may refer to: those in its folder that belong to machine images."""
        if not path.lower().endswith(_DESCRIPTORS):
            return []
        parent = str(PurePosixPath(path).parent)
        names = sorted(place.name for place in self.surroundings.project.folder(parent).iterdir())
        own = PurePosixPath(path).name
        wanted = (name for name in names if name.lower().endswith(_PARTS) and name != own)
        return [_placed(str(PurePosixPath(parent, name))) for name in wanted]

    @property
    def _scratch(self) -> Path:
        """Beside the store, for disks are large and the system's own place for such files may be small."""
        return self.surroundings.store.root / "scratch"


def _placed(path: str) -> Placed:
    return Placed(path=PurePosixPath(path).name, content=ProjectFile(path=path))


def _key(recipe: Packer | Disk, entries: list[Entry], epoch: int) -> dict[str, Any]:
    variables = dict(recipe.variables) if isinstance(recipe, Packer) else {}
    return {"kind": recipe.kind, "variables": variables, "inputs": digest_of_entries(entries), "epoch": epoch}
