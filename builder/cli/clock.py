"""The time that goes into what owners sign: the clock's, unless SOURCE_DATE_EPOCH asks for the same bytes again."""

import os
import time

from bundle_format.errors import FlotoError
from bundle_format.trust.admission import LAST


def now() -> int:
    """Seconds since 1970 UTC."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if not told:
        return int(time.time())
    if not told.isdecimal() or int(told) > LAST:
        raise FlotoError(f"SOURCE_DATE_EPOCH is no number of seconds: {told}")
    return int(told)
