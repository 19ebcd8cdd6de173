"""What editors are given: pyright, which they embed, finds in a definition what the evaluator would."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from builder.language.prelude.stub import STUB_NAME, builtins_stub, pyright_settings

EXAMPLES = Path(__file__).parents[4] / "examples"

needs_pyright = pytest.mark.skipif(
    importlib.util.find_spec("pyright") is None,
    reason="PYRIGHT IS NOT INSTALLED: nothing here proves that editors find mistakes; install the extra `test`",
)


def complaints(folder: Path, *files: str) -> list[tuple[int, str]]:
    folder.joinpath(STUB_NAME).write_text(builtins_stub(), encoding="utf-8")
    folder.joinpath("pyrightconfig.json").write_text(pyright_settings(), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", *files]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = json.loads(ended.stdout)["generalDiagnostics"]
    return [(one["range"]["start"]["line"] + 1, one["message"].partition("\n")[0]) for one in found]


@needs_pyright
def test_pyright_finds_a_misspelt_argument_and_a_wrong_type(tmp_path):
    tmp_path.joinpath("site.star").write_text(
        """\
load("//lib/java.star", "java_service")
project("orders", version = "1")
app = host("app1", address = "192.0.2.1", cpu = 4)
container("web", image = "web", host = app)
container("api", image = image("api", pull = "api:1"), host = app, command = "run", memory = param("memory"))
java_service(app.name)
es = image("elastic", pull = "elastic:8").nam
""",
        encoding="utf-8",
    )

    assert complaints(tmp_path, "site.star") == [
        (3, 'No parameter named "cpu"'),
        (
            4,
            'Argument of type "Literal[\'web\']" cannot be assigned to parameter "image" of type "Image | None"'
            ' in function "container"',
        ),
        (
            5,
            'Argument of type "Literal[\'run\']" cannot be assigned to parameter "command" of type'
            ' "ListOf[Text] | None" in function "container"',
        ),
        (7, 'Cannot access attribute "nam" for class "Image"'),
    ]


@needs_pyright
@pytest.mark.parametrize("example", sorted(path.parent.name for path in EXAMPLES.glob("*/site.star")))
def test_pyright_is_content_with_the_examples(example, tmp_path):
    definitions = {path: path.relative_to(EXAMPLES / example) for path in (EXAMPLES / example).rglob("*.star")}
    for path, below in definitions.items():
        tmp_path.joinpath(below).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(below).write_bytes(path.read_bytes())

    assert complaints(tmp_path, *map(str, definitions.values())) == []
