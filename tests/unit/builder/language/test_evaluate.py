"""Whole definitions through the worker's process."""

from pathlib import Path

import pytest

from builder.language.diagnostics import FaultyDefinitionError
from builder.language.evaluate import evaluate
from builder.language.evaluation import Assemble, Build, Command, FromEngine
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
