"""The golden corpus: what a person reads for each mistake, to the letter.

Each file of `corpus/` tells its point, holds a project and, after `-- faults --`, everything that is said of it.
"""

import json
from pathlib import Path

import pytest

from builder.language.limits import Limits
from builder.language.worker import outcome
from tests.definitions import sections, write_project

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.txt"))


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.stem)
def test_every_mistake_reads_as_the_corpus_says(case, tmp_path):
    files = sections(case.read_text(encoding="utf-8"))
    expected = files.pop("faults")

    kind, told = outcome(write_project(tmp_path, files), Limits())

    assert kind == "faults"
    assert json.loads(told)["text"] + "\n" == expected


def test_a_template_that_is_no_text_is_told_once(tmp_path):
    write_project(tmp_path, {"site.star": 'project("shop", version = "1")\ntemplate("conf", src = "conf.j2")\n'})
    tmp_path.joinpath("conf.j2").write_bytes(b"\xff\xfe{{ domain }}")

    _, told = outcome(tmp_path, Limits())

    (fault,) = json.loads(told)["faults"]
    assert (fault["line"], fault["message"]) == (2, "conf.j2: the template is not UTF-8 text")
