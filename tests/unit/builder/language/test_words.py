"""The prelude, and what is written from it: reference and examples."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from builder.language.evaluation import Build, Packer, Placed
from builder.language.limits import Limits
from builder.language.prelude.reference import reference, whole_example
from builder.language.prelude.words import words
from builder.language.worker import outcome
from bundle_format.release import deployment, fittings, service
from bundle_format.release.value import Value

DOCS = Path(__file__).parents[4] / "docs" / "language"

SAME = {
    "container": deployment.Container,
    "volume": deployment.Volume,
    "network": deployment.Network,
    "data_disk": deployment.DataDisk,
    "host_step": deployment.HostStep,
    "machine": deployment.Machine,
    "log": fittings.Log,
    "cmd": fittings.Healthcheck,
    "shell": fittings.Healthcheck,
    "http": fittings.Healthcheck,
    "tmpfs": fittings.MemoryMount,
    "host_path": fittings.HostMount,
    "task": deployment.OneOff,
    "service": service.Service,
    "placement": service.Spread,
    "rolling": service.Rolling,
    "restarting": service.Restarting,
    "file": Placed,
    "unpack": Placed,
    "image": Build,
    "machine_image": Packer,
}
SIZES = {"10m": 10 << 20, "4g": 4 << 30}


@pytest.mark.parametrize("word", words().values(), ids=words())
def test_each_example_is_a_sound_definition(word, tmp_path):
    project = shutil.copytree(DOCS / "example", tmp_path / "project")
    project.joinpath("site.star").write_text(whole_example(word), encoding="utf-8")

    kind, told = outcome(project, Limits())

    assert kind == "evaluation", json.loads(told).get("text", told)
    assert f"{word.name}(" in word.example


def test_the_committed_reference_is_what_the_words_say():
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == reference(), "run scripts/reference"


@pytest.mark.parametrize(("name", "model"), SAME.items(), ids=SAME)
def test_a_default_that_is_told_is_the_one_that_holds(name, model):
    told = {argument.name: argument.default for argument in words()[name].arguments if argument.default}
    held = {field: value.get_default(call_default_factory=True) for field, value in model.model_fields.items()}

    values = {field for field, value in held.items() if isinstance(value, Value)}  # their words are tried, too
    for field in told.keys() & held.keys() - {"log", "tag"} - values:
        default = ast.literal_eval(told[field])
        assert (SIZES.get(default, default) if isinstance(default, str) else default or None) == (held[field] or None)
