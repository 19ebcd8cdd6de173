"""The examples: every variant resolved, bound to the site's files beside them, and rendered."""

import json
import tomllib
from pathlib import Path

import pytest

from builder.language.evaluation import Evaluation
from builder.language.limits import Limits
from builder.language.worker import outcome
from builder.project import Project
from builder.rehearsal.draft import Draft, draft
from builder.rehearsal.masked import bind_draft, rendered
from bundle_format.site.sitefile import read_site

ELK = Path(__file__).parents[4] / "examples" / "elk"


@pytest.fixture(scope="module")
def logs() -> Draft:
    kind, told = outcome(ELK, Limits())
    assert kind == "evaluation", told
    return draft(Evaluation.model_validate_json(told), Project(ELK))


def texts(sketch: Draft, site: Path) -> dict[str, str]:
    deployment = bind_draft(sketch, read_site(site.read_bytes(), site, sketch.release), None)
    return {name: content.decode() for name, content in rendered(deployment).items()}


def test_the_log_site_has_a_variant_for_every_decision(logs):
    assert [variant.when for variant in logs.release.variants] == [
        {"nodes": nodes, "monitoring": monitoring} for nodes in (1, 3) for monitoring in (True, False)
    ]


@pytest.mark.parametrize("when", [{"nodes": n, "monitoring": m} for n in (1, 3) for m in (True, False)], ids=str)
def test_every_variant_is_rendered(logs, when, tmp_path):
    site = tomllib.loads((ELK / "sites" / "prod.toml").read_text(encoding="utf-8"))
    tables = {"choices": when, "params": site["params"], "hosts": {}}
    lines = ['site = "any"']
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    for host, access in site["hosts"].items():
        lines += [f"[hosts.{host}]", f"engine = {_toml(access['engine'])}"]
    used = [line for line in lines if when["nodes"] == 3 or not line.startswith(("log2_", "log3_"))]
    used = used[: used.index("[hosts.log2]")] if when["nodes"] == 1 else used
    place = tmp_path / "site.toml"
    place.write_text("\n".join(used), encoding="utf-8")

    found = texts(logs, place)

    assert ("location /metrics/ {" in found["web:/etc/nginx/nginx.conf"]) == when["monitoring"]
    assert "location /logs/ {" in found["web:/etc/nginx/nginx.conf"]
    configurations = [name for name in found if name.endswith("elasticsearch.yml")]
    assert len(configurations) == when["nodes"]


def test_every_node_of_the_plant_knows_all_nodes(logs):
    found = texts(logs, ELK / "sites" / "prod.toml")

    for node in ("search1", "search2", "search3"):
        conf = found[f"{node}:/usr/share/elasticsearch/config/elasticsearch.yml"]
        assert 'discovery.seed_hosts: ["10.40.0.11", "10.40.0.12", "10.40.0.13"]' in conf
        assert 'cluster.initial_master_nodes: ["search1", "search2", "search3"]' in conf
    assert (
        'hosts => ["http://search1:9200", "http://search2:9200", "http://search3:9200"]'
        in (found["collect-machines:/usr/share/logstash/pipeline/main.conf"])
    )
    assert "| kibana | http://logs.plant.example.net/logs/ |" in found["addresses.md"]
    assert "search_password" in found["collect-machines:/usr/share/logstash/pipeline/main.conf"]


@pytest.mark.parametrize("site", ["dev", "test", "prod"])
def test_its_sites_fit_and_its_legacy_database_is_only_shown(logs, site):
    place = ELK / "sites" / f"{site}.toml"
    deployment = bind_draft(logs, read_site(place.read_bytes(), place, logs.release), None)

    legacy = deployment.containers["legacy-db"]
    assert (legacy.external, legacy.image) == (True, "")
    assert all(container.after != ("legacy-db",) for container in deployment.containers.values())


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(member)}" for key, member in value.items()) + " }"
    return json.dumps(value)
