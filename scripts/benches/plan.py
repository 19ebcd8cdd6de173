"""How long a large site takes to plan: 500 containers on 50 hosts whose engines are in memory, all of them new."""

import tempfile
import time
from pathlib import Path
from statistics import median

from tests.sites import FakeSite

ROUNDS = 5
AT_MOST = 1.0
HOSTS = 50
CONTAINERS = 500


def main() -> None:
    """Print the median of some rounds: each looks at all engines and plans."""
    with tempfile.TemporaryDirectory() as folder:
        site = FakeSite(Path(folder), *(f"host{number:02}" for number in range(HOSTS)))
        containers = {
            f"app{number:03}": {"host": f"host{number % HOSTS:02}", "image": "app"} for number in range(CONTAINERS)
        }
        wanted = site.deployment(images={"app": site.image("app")}, containers=containers)
        seconds = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            plan = site.plan(wanted)
            seconds.append(time.perf_counter() - begun)
        assert sum(step.action.kind == "create" for step in plan.steps) == CONTAINERS
    verdict = "reached" if median(seconds) <= AT_MOST else "NOT REACHED"
    print(
        f"{CONTAINERS} containers on {HOSTS} hosts planned in {median(seconds):.2f} s (at most {AT_MOST:.2f}) {verdict}"
    )


if __name__ == "__main__":
    main()
