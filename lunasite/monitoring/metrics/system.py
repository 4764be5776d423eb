"""System metrics: the load of this host, and the memory of its web processes."""

from collections.abc import Iterator

import psutil
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

# The first call of cpu_percent has no earlier value to compare with and returns 0, so it is made here and discarded.
psutil.cpu_percent()


class SystemCollector(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(
            "system_cpu_percent", "CPU use of the host since the last look, per cent.", psutil.cpu_percent()
        )
        yield GaugeMetricFamily(
            "system_memory_percent", "Memory use of the host, per cent.", psutil.virtual_memory().percent
        )
        yield GaugeMetricFamily("process_rss_bytes", "Resident memory of all web processes here.", rss_bytes())


def rss_bytes() -> int:
    """Return the memory (RSS) of this process and its siblings: children of the same parent with the same command."""
    me = psutil.Process()
    return sum(_rss(process) for process in _sisters(me)) or me.memory_info().rss


def _sisters(me: psutil.Process) -> list[psutil.Process]:
    parent = me.parent()
    command = _command(me)
    return [child for child in parent.children() if _command(child) == command] if parent else [me]


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
