"""TOML documents that people write beside a definition, read strictly and with all faults at once."""

import json
from typing import TypeVar

from pydantic import ValidationError

from bundle_format.errors import DefinitionError
from bundle_format.release.value import Fault, FaultyError, Value, faults_of, told
from bundle_format.site.toml import parse_toml

Document = TypeVar("Document", bound=Value)


def read_toml(content: bytes, name: str, kind: type[Document], hint: str = "") -> Document:
    """`content` of the file `name` as a value; DefinitionError with every fault by line and column."""
    try:
        toml = parse_toml(content, name)
    except FaultyError as error:
        raise DefinitionError(str(error), hint) from error
    try:
        return kind.model_validate_json(json.dumps(toml.value, default=str))
    except ValidationError as error:
        faults = []
        for path, message in faults_of(error):
            spot = toml.nearest(path)
            faults.append(Fault(f"{'.'.join(map(str, path))}: {message}", name, spot.line, spot.column))
        raise DefinitionError(told(faults), hint) from error
