"""Whole definitions through the worker's process."""

import sys
from pathlib import Path

import pytest

from builder.language.diagnostics import FaultyDefinitionError
from builder.language.evaluate import evaluate
from builder.language.evaluation import Assemble, Build, Command, FromEngine
from bundle_format.errors import DefinitionError
from tests.definitions import write_project

SHOP = Path(__file__).parents[4] / "examples" / "shop"


def test_the_shop_has_a_variant_for_each_option():
    shop = evaluate(SHOP)

    assert [variant.when for variant in shop.variants] == [{"ha": False}, {"ha": True}]
    assert [sorted(variant.objects["container"]) for variant in shop.variants] == [
        ["catalogue-1", "database", "front"],
        ["catalogue-1", "catalogue-2", "database", "front"],
    ]
    assert {name: type(recipe) for name, recipe in shop.images.items()} == {
        "debian": FromEngine,
        "postgres": Build,
        "java": Build,
        "nginx": Build,
        "catalogue": Assemble,
    }
    assert isinstance(shop.artifacts["catalogue"], Command)


def test_late_values_stay_open(tmp_path):
    write_project(
        tmp_path,
        {
            "site.star": """
project("late", version = "1")
domain = param("domain", type = "fqdn")
server = host("server", address = param("address", type = "ip"))
container("web", image = image("web", pull = "web:1"), host = server,
    env = {"URL": "https://%s/" % domain, "NAME": domain, "F": f"{domain}:80"})
"""
        },
    )

    tree = evaluate(tmp_path).variants[0].objects["container"]["web"]

    assert tree["env"] == {
        "URL": {"$text": ["https://", {"$param": "domain"}, "/"]},
        "NAME": {"$param": "domain"},
        "F": {"$text": [{"$param": "domain"}, ":80"]},
    }


def test_all_faults_are_told_in_one_run(tmp_path):
    write_project(
        tmp_path,
        {
            "site.star": """
project("many", version = "1")
server = host("server", adress = "192.0.2.1")
container("web", image = "web", host = server, memory = "lots")
container("app", image = image("app", pull = "app:1"), host = server, after = ["wep"], ports = {"80": 700000})
"""
        },
    )

    with pytest.raises(FaultyDefinitionError) as raised:
        evaluate(tmp_path)

    assert [(fault.line, fault.column) for fault in raised.value.faults] == [
        (3, 25),
        (4, 26),
        (4, 57),
        (5, 80),
        (5, 103),
    ]


def test_a_folder_without_a_definition_says_so(tmp_path):
    with pytest.raises(DefinitionError, match=r"site\.star: no such file in the project"):
        evaluate(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege there")
def test_nothing_outside_the_project_is_read(tmp_path):
    secret = tmp_path / "secret.star"
    secret.write_text('password = "geheim"\n', encoding="utf-8")
    project = write_project(
        tmp_path / "project",
        {
            "site.star": """
load("//link.star", "password")
project("inside", version = "1")
template("t1", src = "link.j2", vars = {})
folder("folder")
""",
            "folder/a": "a",
        },
    )
    for link in ("link.star", "link.j2", "folder/b"):
        project.joinpath(link).symlink_to(secret)

    with pytest.raises(FaultyDefinitionError) as refused:
        evaluate(project)

    assert "link.star: leads out of the project" in str(refused.value)
    assert "geheim" not in str(refused.value)
    project.joinpath("site.star").write_text(
        'project("inside", version = "1")\ntemplate("t1", src = "link.j2", vars = {})\nfolder("folder")\n',
        encoding="utf-8",
    )
    with pytest.raises(FaultyDefinitionError) as refused:
        evaluate(project)
    assert [fault.line for fault in refused.value.faults] == [2, 3]
    assert "geheim" not in str(refused.value)
