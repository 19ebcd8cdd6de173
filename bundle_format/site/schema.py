"""`site.schema.json`: what a site's file may say, for the editors in which it is written (JSON Schema 2020-12).

An editor judges less than the agent: it cannot know which variant a site's choices select.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bundle_format.release.deployment import Access
from bundle_format.release.fields import ENGINE, REGISTRY
from bundle_format.release.late import names
from bundle_format.release.model import Release, Variant
from bundle_format.site.parameters import option_schema, value_schema
from bundle_format.site.sitefile import SITE_NAME, machines_of

REFERENCE: Final = "#:schema ./site.schema.json"
"""The first line of a site's file, by which editors find its schema."""

_ACCESS: Final = {
    "engine": "the docker engine: unix:///PATH, npipe:////./pipe/NAME, tcp://HOST:PORT or ssh://USER@HOST:PORT",
    "tls_ca": "tcp: file with the authority that signed the engine's certificate",
    "tls_cert": "tcp: file with the certificate that this site shows to the engine",
    "tls_key": "tcp: file with the key of that certificate",
    "ssh_key": "ssh: file with the private key",
    "ssh_known_hosts": "ssh: file with the host's public key",
    "registry": "swarm: where its nodes get images from, HOST:PORT, or http://HOST:PORT for one without TLS",
    "registry_ca": "swarm: file with the authority that signed the registry's certificate",
    "registry_user": "swarm: who may write to the registry",
    "registry_password": "swarm: file with the password of that user",
}

_HYPERVISOR: Final = {
    "kind": "esx, a standalone ESX or a vCenter; without it that is meant",
    "address": "host name or address, with :PORT where that is not 443",
    "user": "who logs in",
    "thumbprint": "SHA-256 thumbprint of its certificate, to compare at enrolment",
    "datacenter": "needed where there are several",
    "cluster": "needed where there are several, or hosts outside of it",
    "host": "needed where there are several, and no cluster with DRS that chooses",
    "pool": "resource pool; that of the host or cluster itself if not given",
    "folder": "folder of machines, such as sites/krakow; the datacenter's own if not given",
    "datastore": "for machines; needed where there are several",
    "disk_datastore": "for data disks; that of machines if not given",
    "prefix": "goes before the names of hosts to make those of machines",
}


_LOCAL: Final = {
    "kind": "qemu, this computer itself",
    "folder": "where machines and their disks are kept",
    "prefix": _HYPERVISOR["prefix"],
}


def site_schema(release: Release) -> dict[str, Any]:
    """The schema of the site files of one release."""
    params = {name: value_schema(parameter) for name, parameter in release.parameters.items()}
    choices = {name: option_schema(choice) for name, choice in release.choices.items()}
    tables = {
        "choices": _table(choices, (), "what this site has decided"),
        "params": _table(params, _wanted(release), "what only this site knows"),
        "hosts": _hosts(release.variants),
    }
    if hypervisors := _hypervisors(release.variants):
        tables["hypervisors"] = hypervisors
    site = {"type": "string", "pattern": f"^{SITE_NAME}$", "description": "the name of this site, such as krakow-1"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A site of {release.product} {release.version}",
        **_table({"site": site, **tables}, ["site", *(name for name, table in tables.items() if "required" in table)]),
    }


def _hosts(variants: Iterable[Variant]) -> dict[str, Any]:
    existing = [
        {name for name, host in variant.objects.get("host", {}).items() if host.get("kind", "existing") == "existing"}
        for variant in variants
    ]
    known = {name for variant in variants for name in variant.objects.get("host", {})}
    access = {name: {"type": "string", "description": described} for name, described in _ACCESS.items()}
    access["engine"]["pattern"] = f"^({ENGINE.pattern})$"
    access["registry"]["pattern"] = f"^({REGISTRY.pattern})$"
    host = _table({name: access[name] for name in Access.model_fields}, ["engine"], "how the agent reaches this host")
    return _table(dict.fromkeys(sorted(known), host), sorted(set.intersection(*existing)), "where the release runs")


def _hypervisors(variants: Iterable[Variant]) -> dict[str, Any]:
    roles: dict[str, set[str]] = {}
    for variant in variants:
        for machine in machines_of(variant).values():
            cards = {card["network"] for card in machine.get("nics", ())}
            roles.setdefault(machine.get("hypervisor", "default"), set()).update(cards)
    text = {"type": "string"}
    members = {name: text | {"description": described} for name, described in _HYPERVISOR.items()}
    secret = {"type": "object", "description": "{ file = ... }, { env = ... } or { prompt = true }"}
    local = {name: text | {"description": described} for name, described in _LOCAL.items()}
    local["kind"] = {"const": "qemu", "description": _LOCAL["kind"]}
    members["kind"] = {"const": "esx", "description": _HYPERVISOR["kind"]}
    tables = {}
    for name, known in sorted(roles.items()):
        networks = _table(
            dict.fromkeys(sorted(known), text), sorted(known), "which port group or bridge plays each role"
        )
        there = {**members, "password": secret, "networks": networks}
        tables[name] = {
            "anyOf": [
                _table(there, ["address", "user", "password", "networks"], "where machines are made"),
                _table({**local, "networks": networks}, ["kind", "folder", "networks"], "machines on this computer"),
            ]
        }
    return _table(tables, (), "hypervisors on which the agent makes machines") if tables else {}


def _wanted(release: Release) -> list[str]:
    needed = frozenset[str].intersection(*(names(variant.objects) for variant in release.variants))
    return sorted(name for name in needed & release.parameters.keys() if release.parameters[name].default is None)


def _table(properties: Mapping[str, Any], required: Iterable[str], description: str = "") -> dict[str, Any]:
    table: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if wanted := list(required):
        table["required"] = wanted
    return table | ({"description": description} if description else {})
