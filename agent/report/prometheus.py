"""The status of a site as metrics."""

from collections.abc import Iterable, Iterator, Mapping

from agent.report.status import Status


def prometheus_lines(status: Status) -> Iterator[str]:
    """The status in the text format that node-exporter collects (prometheus.io, exposition formats)."""
    site = {"product": status.product, "site": status.site}
    yield from _metric("floto_release_info", [({**site, "version": status.version}, 1)])
    yield from _metric("floto_as_it_shall_be", [(site, int(status.as_it_shall_be))])
    yield from _metric("floto_drift", [(site, len(status.drift or ()))])
    yield from _metric("floto_host_up", [({**site, "host": host.name}, int(host.reachable)) for host in status.hosts])
    free = [({**site, "host": host.name}, host.free) for host in status.hosts if host.free is not None]
    yield from _metric("floto_engine_root_free_bytes", free)
    named = [({**site, "host": one.host, "container": one.name}, one) for one in status.containers]
    yield from _metric("floto_container_well", [(labels, int(one.fine)) for labels, one in named])
    yield from _metric("floto_container_restarts", [(labels, one.restarts) for labels, one in named])
    served = [({**site, "host": one.host, "service": one.name}, one) for one in status.services]
    yield from _metric("floto_service_running", [(labels, one.running) for labels, one in served])
    yield from _metric("floto_service_wanted", [(labels, one.wanted) for labels, one in served])
    nodes = [({**site, "host": node.host, "node": node.name}, int(node.ready)) for node in status.nodes]
    yield from _metric("floto_node_ready", nodes)
    volumes = [
        ({**site, "host": host.name, "volume": name}, size)
        for host in status.hosts
        for name, size in (host.disk.volumes.items() if host.disk else ())
        if size is not None
    ]
    yield from _metric("floto_volume_bytes", volumes)


def _metric(name: str, samples: Iterable[tuple[Mapping[str, str], int | None]]) -> Iterator[str]:
    lines = [f"{name}{{{_labels(labels)}}} {value}" for labels, value in samples if value is not None]
    if lines:
        yield f"# TYPE {name} gauge"
        yield from lines


def _labels(labels: Mapping[str, str]) -> str:
    escaped = {key: text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for key, text in labels.items()}
    return ",".join(f'{key}="{text}"' for key, text in escaped.items())
