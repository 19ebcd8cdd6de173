"""The time that goes into what owners sign: the clock's, unless SOURCE_DATE_EPOCH asks for the same bytes again."""

import os
import time

from bundle_format.errors import FlotoError

_LAST = 253402300799  # the end of the year 9999, beyond which there are no dates


def now() -> int:
    """Seconds since 1970 UTC."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if not told:
        return int(time.time())
    if not told.isdecimal() or int(told) > _LAST:
        raise FlotoError(f"SOURCE_DATE_EPOCH is no number of seconds: {told}")
    return int(told)
