"""Errors of scoring."""

from __future__ import annotations


class MetricError(Exception):
    """A metric is undefined on this truth. Never the participant's fault; `note` is for staff."""

    code = "SYSTEM_METRIC"

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note
