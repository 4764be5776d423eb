"""What a report tells beside the scores: counts at thresholds, bins, bands and subgroups. Framework-free.

Computed when a report is read, from the predictions that the evaluation keeps; nothing here ranks.
"""

from __future__ import annotations

from .report import DETAILS_VERSION, details

__all__ = ["DETAILS_VERSION", "details"]
