"""Run first in the frozen agent.

The programs that it starts (ssh) shall find the system's libraries, not ours; and until it has begun, Ctrl-C ends it
without a word, where Python would show what it was importing.
"""

import _signal  # what `signal` imports would take long enough to be interrupted
import os

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]
former = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if former is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = former
