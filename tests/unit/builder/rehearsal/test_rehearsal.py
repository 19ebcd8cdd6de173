"""A definition before anything is built: bound to a site, and asked where its values are from."""

from pathlib import Path
from typing import Any

import pytest

from builder.language.evaluation import Evaluation, Place, Pull
from builder.project import Project
from builder.rehearsal.draft import draft
from builder.rehearsal.masked import bind_draft
from builder.rehearsal.origin import explain, uses
from bundle_format.errors import DefinitionError, ParameterError
from bundle_format.release.model import Choice, Parameter, Rule, Variant
from bundle_format.site.sitefile import Site, read_site

SITE = """
site = "krakow-1"
[params]
domain = "krk.example"
password = { env = "PASSWORD" }
[hosts.app]
engine = "unix:///var/run/docker.sock"
"""
WEB: dict[str, Any] = {
    "host": "app",
    "image": "web",
    "env": {"URL": {"$text": ["https://", {"$param": "domain"}, ":", {"$param": "port"}]}},
    "ports": [{"container": 80, "host": {"$param": "port"}}],
    "files": [{"template": "app.conf", "path": "/etc/app.conf"}, {"file": "vendor:driver:1", "path": "/driver.jar"}],
}


def evaluation(**changes: Any) -> Evaluation:
    conf = {"file": "app.conf.j2", "vars": {"domain": {"$param": "domain"}, "password": {"$param": "password"}}}
    objects: dict[str, dict[str, Any]] = {
        "host": {"app": {}},
        "template": {"app.conf": conf},
        "container": {"web": WEB},
    }
    values: dict[str, Any] = {
        "product": "shop",
        "version": "1.0",
        "evaluator": "test",
        "sources": {},
        "parameters": {
            "domain": Parameter(type="fqdn"),
            "port": Parameter(type="port", default=8080),
            "password": Parameter(type="secret"),
        },
        "choices": {"ha": Choice(options=(False, True))},
        "variants": (Variant(when={"ha": False}, objects=objects), Variant(when={"ha": True}, objects=objects)),
        "images": {"web": Pull(reference="web", tag="1.0")},
        "files": ("app.conf.j2",),
        "carried": ("vendor:driver:1",),
        "places": {
            "container/web": Place(path="site.star", line=7, column=1, callers=("called from main.star:1",)),
            "param/domain": Place(path="site.star", line=2, column=10),
        },
    }
    return Evaluation(**values | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.conf.j2").write_text("{{ domain }}\n{{ password }}\n", encoding="utf-8")
    return tmp_path


def site(made: Evaluation, folder: Path) -> Site:
    return read_site(SITE.encode(), Path("site.toml"), draft(made, Project(folder)).release)


def test_a_site_is_bound_before_anything_is_built_and_secrets_are_named_only(folder: Path) -> None:
    made = evaluation(rules=(Rule(expression=["<", 40, ["len", {"$param": "password"}]], message="too short"),))
    sketch = draft(made, Project(folder))
    web = bind_draft(sketch, site(made, folder), None).containers["web"]
    assert web.files[0].content == b"krk.example\n(secret password)\n"
    assert web.files[1].content == b"", "the artifact is not fetched"


def test_a_site_is_bound_with_its_secrets_where_they_are_asked_for(folder: Path) -> None:
    made = evaluation(rules=(Rule(expression=["<", 40, ["len", {"$param": "password"}]], message="too short"),))
    sketch = draft(made, Project(folder))
    with pytest.raises(ParameterError, match=r"too short \(password = \(secret\)\)"):
        bind_draft(sketch, site(made, folder), {"password": "hunter2"})
    web = bind_draft(sketch, site(made, folder), {"password": "h" * 41}).containers["web"]
    assert web.files[0].content == b"krk.example\n" + b"h" * 41 + b"\n"


def test_a_value_is_explained_by_its_call_its_parameters_and_who_gave_them(folder: Path) -> None:
    made = evaluation()
    origin = explain("container/web/env/URL", made, made.variants[0], site(made, folder))
    assert (origin.path, origin.value) == (("container", "web", "env", "URL"), "https://krk.example:8080")
    assert origin.place == made.places["container/web"]
    assert [(giver.name, giver.value, giver.given) for giver in origin.givers] == [
        ("domain", "krk.example", "site.toml:4:10"),
        ("port", 8080, "its default"),
    ]
    assert origin.givers[0].declared == made.places["param/domain"]


def test_a_rendered_file_is_explained_through_its_template_and_secrets_are_named_only(folder: Path) -> None:
    made = evaluation()
    for way in ("container/web/files//etc/app.conf", "container/web/files/0", "container/web/files/etc/app.conf"):
        origin = explain(way, made, made.variants[0], site(made, folder))
        assert origin.template == "app.conf.j2"
        assert [(giver.name, giver.value, giver.given) for giver in origin.givers] == [
            ("domain", "krk.example", "site.toml:4:10"),
            ("password", "(secret password)", "site.toml:5:12"),
        ]


def test_without_a_site_values_are_defaults_and_samples() -> None:
    made = evaluation()
    givers = explain("container/web/env", made, made.variants[0], None).givers
    assert [giver.given for giver in givers] == ["made up, for no site is named", "its default"]


@pytest.mark.parametrize(
    ("way", "message", "hint"),
    [
        ("container/wob/env", "container has no 'wob/env'; did you mean 'web'?", "It has web."),
        ("container/web/env/URL/x", "container/web/env/URL has no 'x'", "It is a single value."),
        ("containers/web", "this variant has no 'containers/web'; did you mean 'container'?", "container"),
    ],
)
def test_a_way_that_leads_nowhere_is_told_with_what_there_is(way: str, message: str, hint: str) -> None:
    made = evaluation()
    with pytest.raises(DefinitionError) as refused:
        explain(way, made, made.variants[0], None)
    assert refused.value.message == message
    assert hint in refused.value.hint


def test_the_uses_of_a_parameter_are_found() -> None:
    made = evaluation()
    assert uses("port", made, made.variants[0]) == [
        ("container", "web", "env", "URL"),
        ("container", "web", "ports", 0, "host"),
    ]
    with pytest.raises(DefinitionError, match="did you mean 'domain'"):
        uses("doman", made, made.variants[0])
