"""Run first in the frozen agent: the programs that it starts (ssh) shall find the system's libraries, not ours."""

import os

for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]
former = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if former is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = former
