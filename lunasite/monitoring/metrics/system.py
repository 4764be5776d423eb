"""System metrics: the load of this host, and the standard process metrics of each web process."""

from collections.abc import Iterator

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# The first call of cpu_percent has no earlier value to compare with and returns 0, so it is made here and discarded.
psutil.cpu_percent()


class SystemCollector(Collector):
    """is_one_process: the client library then tells this process's own metrics, under the same names."""

    def __init__(self, is_one_process: bool) -> None:
        self._is_one_process = is_one_process

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "system_cpu_percent", "CPU use of the host since the last look, per cent.", psutil.cpu_percent()
        )
        yield GaugeMetricFamily(
            "system_memory_percent", "Memory use of the host, per cent.", psutil.virtual_memory().percent
        )
        yield GaugeMetricFamily("process_rss_bytes", "Resident memory of all web processes here.", rss_bytes())
        if not self._is_one_process:
            yield from process_metrics()


def process_metrics() -> Iterator[Metric]:
    """Yield the client library's process metrics of every web process, which it leaves out when there are several."""
    resident = GaugeMetricFamily("process_resident_memory_bytes", "Resident memory size in bytes.", labels=["pid"])
    virtual = GaugeMetricFamily("process_virtual_memory_bytes", "Virtual memory size in bytes.", labels=["pid"])
    started = GaugeMetricFamily("process_start_time_seconds", "Start time since the epoch.", labels=["pid"])
    seconds = CounterMetricFamily("process_cpu_seconds", "User and system CPU time spent.", labels=["pid"])
    files = GaugeMetricFamily("process_open_fds", "Open file descriptors.", labels=["pid"])
    for process in _sisters(psutil.Process()):
        try:
            with process.oneshot():
                memory, times = process.memory_info(), process.cpu_times()
                born, n_files = process.create_time(), process.num_fds()
        except psutil.Error:  # it ended meanwhile
            continue
        label = [str(process.pid)]
        resident.add_metric(label, memory.rss)
        virtual.add_metric(label, memory.vms)
        started.add_metric(label, born)
        seconds.add_metric(label, times.user + times.system)
        files.add_metric(label, n_files)
    yield from (resident, virtual, started, seconds, files)


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
