"""The site files of examples and documentation: accepted by the agent's reading and by the editors' engine."""

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from builder.language.evaluate import evaluate
from builder.project import Project
from builder.rehearsal.draft import Draft, draft
from builder.rehearsal.masked import bind_draft
from bundle_format.site.schema import site_schema
from bundle_format.site.sitefile import read_site

ROOT = Path(__file__).parents[4]
SITES = sorted(ROOT.glob("examples/*/**/site*.toml")) + sorted(ROOT.glob("examples/*/sites/*.toml"))


def project_of(site: Path) -> Path:
    return next(folder for folder in site.parents if (folder / "site.star").exists())


def sketch_of(project: Path) -> Draft:
    return draft(evaluate(project), Project(project))


def lint(folder: Path, sketch: Draft, text: str) -> str:
    (folder / "site.schema.json").write_text(json.dumps(site_schema(sketch.release)), encoding="utf-8")
    (folder / "site.toml").write_text(text, encoding="utf-8")
    taplo = shutil.which("taplo", path=sysconfig.get_path("scripts"))
    assert taplo, "taplo is among the packages that the tests need"
    schema = (folder / "site.schema.json").as_uri()
    ended = subprocess.run(
        [taplo, "lint", "--schema", schema, "site.toml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return ended.stderr if ended.returncode else ""


@pytest.mark.parametrize("site", SITES, ids=lambda site: str(site.relative_to(ROOT)))
def test_every_examples_site_fits_its_definition_and_its_schema(site: Path, tmp_path: Path) -> None:
    sketch = sketch_of(project_of(site))
    text = site.read_text(encoding="utf-8")
    assert bind_draft(sketch, read_site(text.encode(), site, sketch.release), None).containers
    assert not lint(tmp_path, sketch, text)


def test_the_site_of_the_documentation_fits_the_shop(tmp_path: Path) -> None:
    sketch = sketch_of(ROOT / "examples" / "shop")
    found = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "site.md").read_text(encoding="utf-8"), re.DOTALL)
    assert found
    assert bind_draft(sketch, read_site(found[1].encode(), tmp_path / "site.toml", sketch.release), None).containers
    assert not lint(tmp_path, sketch, found[1])
    assert "10.20.0.311" in lint(tmp_path, sketch, found[1].replace("127.0.0.1", "10.20.0.311"))
