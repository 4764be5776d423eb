"""Metrics of the parts that /ready names: whether each works, and the room that is left on this host."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from django.conf import settings
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lunasite.monitoring.status_page import recent


class PartsCollector(Collector):
    """The status page's last look, so that a scrape does not ask the object store again."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("part_up", "1 when a part of the site works, by part (see /ready).", labels=["part"])
        for name, part in recent.get().parts.items():
            up.add_metric([name.replace(" ", "_")], float(part.is_ok))
        yield up
        usage = shutil.disk_usage(settings.DATA_DIR)
        yield GaugeMetricFamily("data_free_bytes", "Free bytes where DATA_DIR lies.", usage.free)
        yield GaugeMetricFamily("data_total_bytes", "Size of the volume where DATA_DIR lies.", usage.total)
