"""Definitions that mean harm, or went wrong as if they did: the builder refuses them and stays whole."""

import pytest

from builder.language.evaluate import evaluate
from builder.language.limits import Limits
from bundle_format.errors import DefinitionError
from tests.definitions import write_project

LIMITS = Limits(memory=768 << 20, processor=3, clock=300, output=8 << 20)
HEADING = 'project("hostile", version = "1")\n'
WEB = HEADING + 'app = host("app1")\nweb = image("web", pull = "web:1")\n'

MEMORY = "needs more than 768 MB"
TIME = "took longer than 3 s of processor time"
STEPS = "evaluation took more than 5,000,000 steps"
PARSE = "cannot parse"
DEEP = "nested too deeply"

HOSTILE = {
    "doubled list": (HEADING + "x = [0]\nfor i in range(60):\n    x = x + x\n", MEMORY),
    "doubled text": (HEADING + "x = 'x'\nfor i in range(60):\n    x = x + x\n", MEMORY),
    "squared number": (HEADING + "x = 12345678901234567890\nfor i in range(40):\n    x = x * x\n", TIME),
    "endless loop": (HEADING + "n = 1000000\nx = [1 for i in range(n) for j in range(n)]\n", STEPS),
    "joined text": (HEADING + "x = 'x' * 100000\ny = ','.join([x] * 100000)\n", MEMORY),
    "sorted range": (HEADING + "x = sorted(range(1 << 27))\n", MEMORY),
    "open brackets": (HEADING + "x = " + "(" * 100_000 + ")" * 100_000 + "\n", PARSE),
    "minus signs": (HEADING + "x = " + "-" * 200_000 + "1\n", PARSE),
    "dots": (HEADING + "x = a" + ".a" * 200_000 + "\n", PARSE),
    "sums": (HEADING + "x = 1" + " + 1" * 200_000 + "\n", PARSE),
    "deep list": (
        WEB
        + "x = []\nfor i in range(100000):\n    x = [x]\n"
        + 'container("c1", image = web, host = app, command = x)\n',
        None,
    ),
    "list in itself": (
        WEB + 'x = []\nx.append(x)\ncontainer("c1", image = web, host = app, command = x)\n',
        "contains itself",
    ),
    "recursion": (HEADING + "def f(n):\n    return f(n + 1)\nf(0)\n", "call stack overflow"),
    "recursion by lambda": (HEADING + "f = [None]\nf[0] = lambda n: f[0](n)\nf[0](0)\n", "call stack overflow"),
    "too much release": (
        WEB + 'for i in range(2000):\n    container("c%d" % i, image = web, host = app, env = {"A": "x" * 10000})\n',
        "makes more than 8 MiB of release",
    ),
    "long message": (HEADING + "fail('x' * 50000000)\n", "xxx"),
    "patient pattern": (HEADING + 'param("p", pattern = "(a+)+b", default = "' + "a" * 60 + '")\n', TIME),
    "many options": (HEADING + 'choice("c", list(range(1000000)))\n', "more than 64 variants"),
    "huge shift": (HEADING + "x = 1 << 40000000000\n", None),
    "wide format": (HEADING + "x = '%s' % ('x' * (1 << 33))\n", None),
    "replaced text": (HEADING + "x = 'a' * 100000\nx = x.replace('a', x)\n", MEMORY),
    "no text": (b"\xff\xfe", "not UTF-8"),
    "endless template": (
        WEB
        + 'a = template("a1", src = "site.star", vars = {})\n'
        + "# {% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}\n",
        "takes more than",
    ),
}


@pytest.mark.parametrize(("definition", "told"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_definition_is_refused(definition, told, tmp_path):
    content = definition if isinstance(definition, bytes) else definition.encode()
    tmp_path.joinpath("site.star").write_bytes(content)

    with pytest.raises(DefinitionError) as refused:
        evaluate(tmp_path, LIMITS)

    assert len(refused.value.message) < 10_000
    if told:
        assert told in refused.value.message


def test_a_chain_of_files_has_an_end(tmp_path):
    files = {f"f{i}.star": f'load("//f{i + 1}.star", "x{i + 1}")\nx{i} = 1\n' for i in range(1200)}
    write_project(tmp_path, files | {"site.star": 'load("//f0.star", "x0")\n' + HEADING})

    with pytest.raises(DefinitionError, match="may consist of 1000 files"):
        evaluate(tmp_path, LIMITS)
