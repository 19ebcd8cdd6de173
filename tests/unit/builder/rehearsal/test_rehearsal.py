"""A definition tried before anything is built: what would fail on every site fails here, at its place."""

from pathlib import Path
from typing import Any

import pytest

from builder.language.evaluation import Evaluation, Place, Pull
from builder.project import Project
from builder.rehearsal.draft import draft
from builder.rehearsal.origin import explain, uses
from builder.rehearsal.samples import rehearse
from bundle_format.errors import DefinitionError
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


def with_container(**changes: Any) -> Evaluation:
    one, two = evaluation().variants
    changed = {**two.objects, "container": {"web": WEB | changes}}
    return evaluation(variants=(one, Variant(when=two.when, objects=changed)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.conf.j2").write_text("{{ domain }}\n{{ password }}\n", encoding="utf-8")
    return tmp_path


def faults(made: Evaluation, folder: Path) -> list[str]:
    return list(map(str, rehearse(draft(made, Project(folder)), made.places)))


def site(made: Evaluation, folder: Path) -> Site:
    return read_site(SITE.encode(), Path("site.toml"), draft(made, Project(folder)).release)


def test_a_sound_definition_has_no_faults_in_any_variant(folder: Path) -> None:
    assert faults(evaluation(), folder) == []


def test_what_is_wrong_in_one_variant_only_is_told_once_at_the_call(folder: Path) -> None:
    assert faults(with_container(image="wob", workdir="srv"), folder) == [
        "site.star:7:1: error: container web: workdir: must be an absolute path without '..'",
    ]
    assert faults(with_container(image="wob"), folder) == [
        "site.star:7:1: error: container web: image: there is no image 'wob'; did you mean 'web'?",
    ]


def test_threat_33_a_secret_in_a_label_is_refused_before_any_site(folder: Path) -> None:
    (fault,) = faults(with_container(labels={"dsn": {"$text": ["x", {"$param": "password"}]}}), folder)
    assert "container web: labels.dsn: a secret cannot stand here" in fault


def test_names_that_a_template_was_not_given_are_told_once(folder: Path) -> None:
    (folder / "app.conf.j2").write_text("{{ domain }}\n{{ pasword }}\n", encoding="utf-8")
    assert faults(evaluation(), folder) == [
        "app.conf.j2:2:4: error: 'pasword' is not among its vars (domain, password); did you mean 'password'?"
    ]


def test_a_template_that_fails_on_sample_values_is_told_at_its_line(folder: Path) -> None:
    (folder / "app.conf.j2").write_text("\n{{ domain.name }}\n", encoding="utf-8")
    assert faults(evaluation(), folder) == ["app.conf.j2:2: error: 'str object' has no attribute 'name'"]


def test_a_template_that_is_no_text_is_told(folder: Path) -> None:
    (folder / "app.conf.j2").write_bytes(b"\xff\xfe")
    assert faults(evaluation(), folder) == ["app.conf.j2: error: the template is no UTF-8 text"]


def test_a_rule_whose_operands_do_not_fit_is_told_and_one_that_samples_break_is_not(folder: Path) -> None:
    wrong = Rule(expression=["<", {"$param": "domain"}, 3], message="short domain")
    broken = Rule(expression=[">", {"$param": "port"}, 9000], message="high port")
    assert faults(evaluation(rules=(wrong, broken)), folder) == [
        "error: check 0: check('short domain'): '<' does not fit its operands"
    ]


def test_a_parameter_that_refuses_its_default_is_told_at_its_call(folder: Path) -> None:
    parameters = evaluation().parameters | {"domain": Parameter(type="fqdn", default="not a domain")}
    assert faults(evaluation(parameters=parameters), folder) == [
        "site.star:2:10: error: param domain: its default 'not a domain' must be a DNS name such as shop.example.net"
    ]


def test_sample_ports_and_addresses_do_not_clash(folder: Path) -> None:
    parameters = evaluation().parameters | {
        name: Parameter(type=kind)  # type: ignore[arg-type]
        for name, kind in (("p1", "port"), ("p2", "port"), ("a1", "ip"), ("lan", "cidr"))
    }
    ports = [{"container": port, "host": {"$param": f"p{port}"}} for port in (1, 2)]
    objects = evaluation().variants[0].objects | {
        "network": {"back": {"subnet": {"$param": "lan"}}},
        "container": {
            "web": WEB | {"ports": ports, "networks": [{"network": "back", "address": {"$param": "a1"}}]},
        },
    }
    made = evaluation(parameters=parameters, variants=(Variant(when={}, objects=objects),))
    assert faults(made, folder) == []


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
