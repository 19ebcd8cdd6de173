"""Late values while a definition runs: a record, and its print in formatted text, become `$param` and `$text` trees."""

import json
import re
from collections.abc import Mapping
from typing import Any

from bundle_format.release.model import Scalar

RECORD = "_late"
"""The one field of the record `Late`; its value is the parameter's name."""

LATE_TEXT = re.compile(r'record\[Late\]\(_late="([^"\\]*)"\)')
"""How Starlark prints a late value, as in `"%s" % domain`."""

_JSON_RECORD = re.compile(r'\{"_late":"([^"\\]*)"\}')
_JSON_TEXT = re.compile(r'record\[Late\]\(_late=\\"([^"\\]*)\\"\)')


def text_tree(text: str) -> Any:
    """The text with late values told apart: itself, `{"$param": name}` or `{"$text": [part, ...]}`.

    ValueError where a late value was cut or altered, or where a whole record was printed.
    """
    if "record[" not in text:
        return text
    pieces = LATE_TEXT.split(text)
    if any("record[" in literal for literal in pieces[::2]):
        if "record[Late]" in text:
            raise ValueError("a late parameter was cut or altered by a string operation")
        raise ValueError("a whole object cannot stand in a text: use its .name")
    parts = [{"$param": piece} if position % 2 else piece for position, piece in enumerate(pieces) if piece]
    return parts[0] if len(parts) == 1 else {"$text": parts}


def filled(text: str, samples: Mapping[str, Scalar]) -> str:
    """A JSON text as it would read had the parameters been `samples` from the beginning."""
    if "_late" not in text:
        return text
    text = _JSON_RECORD.sub(lambda found: json.dumps(samples[found[1]], ensure_ascii=False), text)
    return _JSON_TEXT.sub(lambda found: json.dumps(str(samples[found[1]]), ensure_ascii=False)[1:-1], text)
