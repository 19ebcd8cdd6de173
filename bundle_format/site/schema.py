"""`site.schema.json`: what a site's file may say, for the editors in which it is written (JSON Schema 2020-12).

An editor judges less than the agent: it cannot know which variant a site's choices select.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from bundle_format.release.deployment import Access
from bundle_format.release.fields import ENGINE
from bundle_format.release.late import names
from bundle_format.release.model import Release, Variant
from bundle_format.site.parameters import option_schema, value_schema
from bundle_format.site.sitefile import SITE_NAME

REFERENCE: Final = "#:schema ./site.schema.json"
"""The first line of a site's file, by which editors find its schema."""

_ACCESS: Final = {
    "engine": "the docker engine: unix:///PATH, npipe:////./pipe/NAME, tcp://HOST:PORT or ssh://USER@HOST:PORT",
    "tls_ca": "tcp: file with the authority that signed the engine's certificate",
    "tls_cert": "tcp: file with the certificate that this site shows to the engine",
    "tls_key": "tcp: file with the key of that certificate",
    "ssh_key": "ssh: file with the private key",
    "ssh_known_hosts": "ssh: file with the host's public key",
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
    host = _table({name: access[name] for name in Access.model_fields}, ["engine"], "how the agent reaches this host")
    return _table(dict.fromkeys(sorted(known), host), sorted(set.intersection(*existing)), "where the release runs")


def _wanted(release: Release) -> list[str]:
    needed = frozenset[str].intersection(*(names(variant.objects) for variant in release.variants))
    return sorted(name for name in needed & release.parameters.keys() if release.parameters[name].default is None)


def _table(properties: Mapping[str, Any], required: Iterable[str], description: str = "") -> dict[str, Any]:
    table: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if wanted := list(required):
        table["required"] = wanted
    return table | ({"description": description} if description else {})
