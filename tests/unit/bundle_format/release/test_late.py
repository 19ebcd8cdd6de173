"""Late values: found, filled in, and sealed where a secret is among them."""

import pytest

from bundle_format.release.fields import Sealed
from bundle_format.release.late import names, occurrences, samples, substitute
from bundle_format.release.model import Parameter

KEY = b"key of this site"
TREE = {
    "memory": {"$param": "heap"},
    "env": {"OPTS": {"$text": ["-Xmx", {"$param": "heap"}, "m"]}, "URL": {"$text": ["pg://", {"$param": "password"}]}},
    "after": ["pg", {"$param": "first"}],
}


def test_places_of_late_values_are_found_through_tables_lists_and_texts() -> None:
    assert list(occurrences(TREE)) == [
        (("memory",), "heap"),
        (("env", "OPTS"), "heap"),
        (("env", "URL"), "password"),
        (("after", 1), "first"),
    ]
    assert names(TREE) == {"heap", "password", "first"}


def test_a_text_with_a_secret_is_sealed_as_a_whole_and_the_rest_is_plain() -> None:
    filled = substitute(TREE, {"heap": 512, "password": Sealed("p w", KEY), "first": True}, KEY)
    assert filled == {
        "memory": 512,
        "env": {"OPTS": "-Xmx512m", "URL": Sealed("pg://p w", KEY)},
        "after": ("pg", True),
    }
    assert filled["env"]["URL"].reveal() == "pg://p w"


def test_a_truth_value_inside_a_text_reads_as_in_json() -> None:
    assert substitute({"$text": ["debug=", {"$param": "debug"}]}, {"debug": True}, KEY) == "debug=true"


@pytest.mark.parametrize("tree", [{"$param": 1}, {"$param": "a", "b": 1}, {"$text": "a"}, {"a": [{"$secret": "x"}]}])
def test_keys_with_a_dollar_are_ours_alone(tree: object) -> None:
    with pytest.raises(ValueError, match="not allowed as a key"):
        names(tree)


def test_samples_prefer_what_the_definition_says_and_otherwise_differ() -> None:
    parameters = {
        "a_port": Parameter(type="port"),
        "b_port": Parameter(type="port"),
        "c_port": Parameter(type="port", default=443),
        "heap": Parameter(type="int", min=512),
        "low": Parameter(type="int", max=-1),
        "mode": Parameter(type="string", one_of=("fast", "safe")),
        "password": Parameter(type="secret"),
    }
    made_up = samples(parameters)
    assert made_up["a_port"] != made_up["b_port"]
    assert made_up | {"a_port": 0, "b_port": 0} == {
        "a_port": 0, "b_port": 0, "c_port": 443, "heap": 512, "low": -1, "mode": "fast", "password": "sample-password"
    }  # fmt: skip
