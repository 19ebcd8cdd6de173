"""How long a large definition takes to evaluate: 2,000 containers on 50 hosts, one variant, late values in each."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

from builder.language.evaluate import evaluate

ROUNDS = 5
AT_MOST = 1.0
DEFINITION = """
project("large", version = "1")
domain = param("domain", type = "fqdn")
heap = param("heap", type = "size", default = "1g")
password = param("password", type = "secret")
app = image("app", pull = "app:1")
hosts = [host("host%d" % number, address = param("address%d" % number, type = "ip")) for number in range(50)]

def declare(number):
    container("app%d" % number, image = app, host = hosts[number % 50], memory = heap,
        env = {"URL": "https://%s/%d" % (domain, number), "PASSWORD": password, "NUMBER": number},
        ports = {"8080/tcp": 10000 + number},
        mounts = {"/data": volume("data%d" % number), "/etc/app": host_path("/etc/app")},
        healthcheck = cmd(["true"]), after = ["app%d" % (number - 1)] if number else [])

[declare(number) for number in range(2000)]
"""


def main() -> None:
    """Print the median of some rounds, beside what the machine was busy with."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        project.joinpath("site.star").write_text(DEFINITION, encoding="utf-8")
        seconds = [_measured(project) for _ in range(ROUNDS)]
    rounds = ", ".join(f"{one:.2f}" for one in seconds)
    print(f"2,000 containers evaluated in {median(seconds):.2f} s (rounds: {rounds}; wanted: {AT_MOST:.2f} s at most)")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


def _measured(project: Path) -> float:
    begun = time.perf_counter()
    evaluation = evaluate(project)
    assert len(evaluation.variants[0].objects["container"]) == 2000
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
