"""References are read as docker reads them."""

import pytest

from builder.sources.registry import Reference, parse_reference
from bundle_format.errors import DefinitionError

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("nginx", Reference("docker.io", "library/nginx", "latest")),
        ("nginx:1.27", Reference("docker.io", "library/nginx", "1.27")),
        ("docker.io/nginx", Reference("docker.io", "library/nginx", "latest")),
        ("team/web:1", Reference("docker.io", "team/web", "1")),
        ("localhost/web", Reference("localhost", "web", "latest")),
        ("host:5000/a/b/c:v1.2-rc_3", Reference("host:5000", "a/b/c", "v1.2-rc_3")),
        ("ghcr.io/a/b__c-d.e", Reference("ghcr.io", "a/b__c-d.e", "latest")),
        (f"ghcr.io/a:1@{DIGEST}", Reference("ghcr.io", "a", DIGEST)),
    ],
)
def test_a_reference(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text", ["", "UPPER/case", "a b", "a:", "a@sha256:12", "http://host/a", "a/../b", "a\n", "a:b:c"]
)
def test_no_reference(text: str) -> None:
    with pytest.raises(DefinitionError, match="no image reference"):
        parse_reference(text)
