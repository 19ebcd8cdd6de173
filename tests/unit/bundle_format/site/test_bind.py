"""A release and a site make a deployment, or every reason why they cannot."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle_format.digest import digest_of
from bundle_format.errors import FlotoError, ParameterError
from bundle_format.release import model
from bundle_format.release.deployment import Deployment
from bundle_format.release.fields import Sealed
from bundle_format.release.model import Choice, File, Image, Parameter, Release, Rule, Variant
from bundle_format.release.rules import parse_rule
from bundle_format.site import bind as bind_module
from bundle_format.site.bind import bind
from bundle_format.site.sitefile import Site, read_site

KEY = b"key of this site"
TEXTS = {
    "templates/app.conf.j2": b"nodes {{ nodes | join(' ') }}\npassword {{ password }}\n",
    "templates/motd.j2": b"{{ domain }}\n",
    "conf/start": b"#!/bin/sh\n",
}
PARAMETERS = {
    "domain": Parameter(type="fqdn"),
    "port": Parameter(type="port", default=8080),
    "heap": Parameter(type="size", default=64 << 20),
    "memory": Parameter(type="size", default=512 << 20),
    "password": Parameter(type="secret"),
}
SITE = """
site = "krakow-1"
[params]
domain = "krk.example"
password = { file = "secrets/password" }
[hosts.app]
engine = "unix:///var/run/docker.sock"
"""
OBJECTS: dict[str, dict[str, Any]] = {
    "host": {"app": {"address": "192.0.2.1"}},
    "network": {"back": {"subnet": "172.30.0.0/24"}},
    "volume": {"rows": {"size": 1 << 30}},
    "template": {
        "app.conf": {
            "file": "templates/app.conf.j2",
            "vars": {"nodes": ["n1", "n2"], "password": {"$param": "password"}},
        },
        "motd": {"file": "templates/motd.j2", "vars": {"domain": {"$param": "domain"}}},
    },
    "container": {
        "web": {
            "host": "app",
            "image": "web",
            "memory": {"$param": "memory"},
            "env": {
                "URL": {"$text": ["https://", {"$param": "domain"}, "/"]},
                "DSN": {"$text": ["pg://app:", {"$param": "password"}, "@db"]},
                "PORT": {"$param": "port"},
            },
            "ports": [{"container": 80, "host": {"$param": "port"}}],
            "networks": [{"network": "back", "address": "172.30.0.5"}],
            "mounts": [{"kind": "volume", "volume": "rows", "path": "/rows"}],
            "files": [
                {"template": "app.conf", "path": "/etc/app.conf", "mode": 0o400, "uid": 70},
                {"template": "motd", "path": "/etc/motd"},
                {"file": "conf/start", "path": "/start", "mode": 0o755},
            ],
        }
    },
    "task": {"migrate": {"container": {"host": "app", "image": "web"}, "schedule": {"before": ["web"]}}},
    "document": {"notes.md": {"content": {"$text": ["# ", {"$param": "domain"}]}}, "motd.txt": {"template": "motd"}},
}


def merged(tree: Any, change: Any) -> Any:
    if isinstance(tree, Mapping) and isinstance(change, Mapping):
        return {key: merged(tree.get(key), change[key]) if key in change else tree[key] for key in {**tree, **change}}
    return change


def release(change: Mapping[str, Any] | None = None, rules: tuple[Rule, ...] = ()) -> Release:
    digest = digest_of(b"image")
    return Release(
        product="shop",
        version="1.0",
        evaluator="test",
        sources={},
        parameters=PARAMETERS,
        choices={"ha": Choice(options=(False, True))},
        rules=rules,
        images={
            name: Image(tag="1", config=digest, manifest=digest, layers=(), size=0) for name in ("web", "not-used")
        },
        files={name: File(digest=digest_of(text), size=len(text)) for name, text in TEXTS.items()},
        variants=tuple(Variant(when={"ha": ha}, objects=merged(OBJECTS, change or {})) for ha in (False, True)),
    )


def bound(shop: Release, site: str = SITE) -> Deployment:
    read = read_site(site.encode(), Path("site.toml"), shop)
    by_digest = {digest_of(text): text for text in TEXTS.values()}
    return bind(shop, read, {"password": "hunter2"}, KEY, lambda file: by_digest[file.digest])


def faults(shop: Release, site: str = SITE) -> list[str]:
    with pytest.raises(ParameterError) as refused:
        bound(shop, site)
    assert "hunter2" not in refused.value.message
    return refused.value.message.splitlines()


def test_late_values_templates_and_files_become_a_concrete_container() -> None:
    web = bound(release()).containers["web"]
    assert web.memory == 512 << 20
    assert web.env == {"URL": "https://krk.example/", "DSN": Sealed("pg://app:hunter2@db", KEY), "PORT": "8080"}
    assert [(port.container, port.host) for port in web.ports] == [(80, 8080)]
    conf, motd, start = web.files
    assert conf.content == b"nodes n1 n2\npassword hunter2\n"
    assert (conf.sealed, conf.digest, conf.mode, conf.uid) == (
        True, Sealed("nodes n1 n2\npassword hunter2\n", KEY).fingerprint, 0o400, 70
    )  # fmt: skip
    assert (motd.content, motd.sealed, motd.digest) == (b"krk.example\n", False, digest_of(b"krk.example\n"))
    assert (start.content, start.digest) == (b"#!/bin/sh\n", digest_of(b"#!/bin/sh\n"))


def test_the_rest_of_a_deployment_is_what_the_variant_and_the_site_say() -> None:
    deployment = bound(release())
    assert (deployment.product, deployment.version, deployment.site) == ("shop", "1.0", "krakow-1")
    assert deployment.choices == {"ha": False}
    assert set(deployment.images) == {"web"}, "images that no container uses need not be loaded"
    access = deployment.hosts["app"].access
    assert access is not None
    assert access.engine == "unix:///var/run/docker.sock"
    assert deployment.tasks["migrate"].container.name == "migrate"
    assert {name: document.content for name, document in deployment.documents.items()} == {
        "notes.md": "# krk.example",
        "motd.txt": "krk.example\n",
    }


def test_no_secret_is_shown_by_a_deployment() -> None:
    assert "hunter2" not in repr(bound(release()))


def test_a_value_that_does_not_fit_its_place_is_told_at_its_line_of_the_sites_file() -> None:
    shop = release({"container": {"web": {"memory": {"$param": "domain"}, "workdir": {"$param": "domain"}}}})
    assert faults(shop) == [
        "site.toml:4:10: error: params.domain: container web: memory: must be a whole number",
        "site.toml:4:10: error: params.domain: container web: workdir: must be an absolute path without '..'",
    ]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"container": {"web": {"labels": {"a": {"$param": "password"}}}}}, "container web: labels.a"),
        ({"container": {"web": {"command": ["run", {"$param": "password"}]}}}, "container web: command.1"),
        ({"container": {"web": {"hostname": {"$param": "password"}}}}, "container web: hostname"),
        ({"document": {"motd.txt": {"template": "app.conf"}}}, "document motd.txt: content"),
        ({"host": {"app": {"address": {"$param": "password"}}}}, "host app: address"),
    ],
)
def test_threat_33_a_secret_where_everybody_reads_along_is_refused(change: Mapping[str, Any], place: str) -> None:
    (fault,) = faults(release(change))
    assert f"{place}: a secret cannot stand here" in fault


def test_all_faults_are_told_at_once() -> None:
    shop = release(
        {
            "template": {"motd": {"vars": {"domain": ["a"]}}},
            "container": {"web": {"image": "wob", "after": ["db"], "memory": "much", "files": [{"path": "/a"}]}},
            "volume": {"rows": {"size": "much"}},
            "surprise": {"one": {}},
        },
        rules=(Rule(expression=parse_rule("heap * 10 <= memory", PARAMETERS, ()), message="give it more memory"),),
    )
    assert faults(shop) == [
        "error: this release holds a surprise, which only a newer floto knows",
        "site.toml: error: container web: files.0: must name a template or a file",
        "site.toml: error: container web: memory: must be a whole number",
        "site.toml: error: volume rows: size: must be a whole number",
        "site.toml:3:1: error: give it more memory (heap = 67108864, memory = 536870912)",
        "templates/motd.j2:1: error: a list has no text of its own: choose one, as with the filter 'json'",
    ]


def test_a_rule_is_judged_on_this_sites_values() -> None:
    rule = Rule(expression=parse_rule("heap * 10 <= memory", PARAMETERS, ()), message="give it more memory")
    assert bound(release(rules=(rule,)), SITE.replace("[hosts", "heap = '50m'\n[hosts")).containers
    assert faults(release(rules=(rule,)), SITE.replace("[hosts", "heap = '52m'\n[hosts")) == [
        "site.toml:6:8: error: give it more memory (heap = 54525952, memory = 536870912)"
    ]


def test_a_rule_about_parameters_that_this_variant_lacks_is_not_asked() -> None:
    shop = release(rules=(Rule(expression=["<", {"$param": "nodes"}, 3], message="too many"),))
    assert bound(shop).containers


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"web2": {"ports": [{"container": 81, "host": 8080}]}}, "ports.0: publishes port 8080/tcp on host 'app'"),
        ({"web2": {"host": "apq"}}, "web2: host: there is no host 'apq'; did you mean 'app'?"),
        ({"web2": {"image": "wab"}}, "web2: image: there is no image 'wab'; did you mean 'web'?"),
        ({"web2": {"networks": [{"network": "front"}]}}, "web2: networks: there is no network 'front'"),
        ({"web2": {"mounts": [{"kind": "volume", "volume": "row", "path": "/a"}]}}, "there is no volume 'row'"),
        ({"web2": {"after": ["wob"]}}, "there is no container, task or service 'wob'; did you mean 'web'?"),
        ({"web2": {"after": ["web2"]}}, "web2: after: waits for itself: web2 before web2"),
        ({"web2": {"networks": [{"network": "back", "address": "172.30.0.5"}]}}, "has the address 172.30.0.5"),
        ({"web2": {"networks": [{"network": "back", "address": "10.0.0.1"}]}}, "10.0.0.1 is not in 172.30.0.0/24"),
        ({"web2": {"mounts": [{"kind": "tmpfs", "path": "/a"}, {"kind": "tmpfs", "path": "/a"}]}}, "two things at /a"),
        ({"web2": {"files": [{"template": "mutd", "path": "/a"}]}}, "files.0: there is no template 'mutd'"),
        ({"web2": {"files": 1}}, "web2: files: must be a list"),
        ({"web2": {"files": [{"file": "no", "path": "/a"}]}}, "files.0: the release carries no file 'no'"),
        ({"web2": {"mounts": [{"kind": "volume", "volume": "rows", "path": "a"}]}}, "mounts.0.volume.path: must be an"),
    ],
)  # fmt: skip
def test_what_cannot_stand_together_is_refused(change: dict[str, Any], fault: str) -> None:
    second = {"web2": {"host": "app", "image": "web", **change["web2"]}}
    (told,) = faults(release({"container": second}))
    assert fault in told


def test_ports_of_different_addresses_or_hosts_do_not_clash() -> None:
    def web(host: str, address: str) -> dict[str, Any]:
        return {"host": host, "image": "web", "ports": [{"container": 80, "host": 443, "address": address}]}

    apart = {"w1": web("app", "192.0.2.1"), "w2": web("app", "192.0.2.2"), "w3": web("log", "0.0.0.0")}
    shop = release({"host": {"log": {}}, "container": apart})
    other_engine = SITE + '[hosts.log]\nengine = "tcp://192.0.2.9:2376"\n'
    assert bound(shop, other_engine).containers.keys() == {"web", "w1", "w2", "w3"}
    assert len(faults(shop, SITE + '[hosts.log]\nengine = "unix:///var/run/docker.sock"\n')) == 2, (
        "one engine, one port"
    )


def test_a_task_takes_its_place_in_the_order() -> None:
    circle = {"task": {"migrate": {"container": {"host": "app", "image": "web", "after": ["web"]}}}}
    (fault,) = faults(release(circle))
    assert "waits for itself: " in fault


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.sampled_from(["", "app", "web", "/a", "../b", "\0", "krk"])
)
LATE = st.sampled_from(
    [
        {"$param": "domain"},
        {"$param": "password"},
        {"$param": "port"},
        {"$text": ["a", {"$param": "password"}]},
        {"$x": 1},
    ]
)
FIELDS = st.sampled_from(
    [
        *(
            "host",
            "image",
            "env",
            "files",
            "mounts",
            "kind",
            "path",
            "template",
            "file",
            "vars",
            "container",
            "schedule",
        ),
        *(
            "content",
            "ports",
            "networks",
            "network",
            "subnet",
            "address",
            "after",
            "before",
            "labels",
            "size",
            "command",
        ),
    ]
)
TREES = st.recursive(
    LEAVES | LATE,
    lambda members: st.lists(members, max_size=3) | st.dictionaries(FIELDS, members, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["host", "network", "volume", "template", "container", "task", "document", "else"])
NAMES = st.sampled_from(["app", "web", "app.conf", "motd"])


@given(st.dictionaries(KINDS, st.dictionaries(NAMES, st.dictionaries(FIELDS, TREES, max_size=5), max_size=3)))
def test_a_release_of_any_shape_is_bound_or_refused_and_no_secret_told(objects: dict[str, Any]) -> None:
    shop = release().model_copy(update={"variants": (Variant(when={}, objects=objects),)})
    site = Site(name="krakow-1", choices={}, parameters={"domain": "krk.example", "port": 8080})
    try:
        bind(shop, site, {"password": "hunter2"}, KEY, lambda _: b"{{ domain }}{{ password }}")
    except FlotoError as error:
        assert "hunter2" not in error.message


def test_the_specification_names_every_kind_and_no_other() -> None:
    text = (Path(model.__file__).parent / "SPEC.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"Kinds: (.*?)\. A kind", text, re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", told)) == bind_module.KINDS
