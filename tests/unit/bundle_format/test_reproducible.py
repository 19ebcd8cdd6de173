"""Two builders who share nothing but the inputs make the same bundle: the second can sign what the first made."""

import os
import subprocess
import sys
from pathlib import Path

BUILT = """
import os, sys
from pathlib import Path
os.umask(int(sys.argv[2], 8))
from tests.bundles import make_bundle, noise
from tests.images import layer
files = {f"conf/{number}": noise(number, 5000) + b"text " * number * 1000 for number in range(12)}
made = make_bundle(Path(sys.argv[1]), files, (layer({f"f{number}": noise(number, 900_000) for number in range(7)}),))
print(made.written.index_digest)
"""


def test_threat_35_independent_builders_agree_on_every_byte(tmp_path: Path) -> None:
    differences = [
        {"TZ": "UTC", "PYTHONHASHSEED": "0", "LANG": "C", "mask": "022"},
        {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4711", "LANG": "tr_TR.UTF-8", "mask": "077"},
    ]
    names, files = set(), set()
    for number, difference in enumerate(differences):
        folder = tmp_path / f"builder{number}"
        folder.mkdir()
        mask = difference.pop("mask")
        environment = {**os.environ, **difference, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", BUILT, folder, mask]
        done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
        names.add(done.stdout)
        files.add((folder / "shop-1.floto").read_bytes())
    assert len(names) == len(files) == 1
