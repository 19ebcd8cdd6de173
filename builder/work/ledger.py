"""What was made before and from what: small records beside the store, so that nothing is made twice."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from bundle_format.canonical import canonical, digest_of_value
from bundle_format.digest import hex_of


class Ledger:
    """A folder of records, each under the digest of its key; a lost or broken record only costs time.

    A record holds its key too, for whoever wonders what it is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def recall(self, *key: Any) -> Any | None:
        """The value that was remembered under `key` (JSON values), or None."""
        try:
            record = json.loads(self._place(key).read_bytes())
        except (OSError, ValueError):
            return None
        return record.get("value") if isinstance(record, dict) else None

    def remember(self, *key: Any, value: Any) -> None:
        """Keep `value` under `key`; whole or not at all."""
        place = self._place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=place.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(canonical({"key": key, "value": value}))
            Path(name).replace(place)
        finally:
            Path(name).unlink(missing_ok=True)

    def _place(self, key: tuple[Any, ...]) -> Path:
        name = hex_of(digest_of_value(key))
        return self._root / name[:2] / f"{name}.json"
