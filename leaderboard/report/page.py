"""The report as a page: one split at a time, with everything that fits on one A4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.charts import round_ticks
from leaderboard.report.charts import report_charts
from submissions.disclosure import View
from submissions.models import Phase
from submissions.presenters.score_table import score_rows
from submissions.scoring import METRICS
from submissions.scoring.details.subgroups import BINARY, OF_CLASSES

# The groups of one property that a page lists, the largest; JSON and CSV have all.
MAX_GROUPS = 6


@dataclass(frozen=True)
class Interval:
    """A number with its interval, as numbers for a bar; None where there is none."""

    title: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Subgroup:
    by: str
    name: str
    n: int
    n_positive: int | None
    is_small: bool
    cells: list[Interval]
    is_first: bool


def split_of(report: Mapping[str, Any], asked: str) -> str:
    """Return the split to show: the asked one, else the first of which details are shown; "" without any."""
    splits = list(report["details"])
    return asked if asked in splits else next(iter(splits), "")


def page_parts(report: Mapping[str, Any], split: str, phase: Phase, view: View) -> dict[str, Any]:
    """Return the parts of the page that are of one split."""
    details = report["details"].get(split, {})
    groups = list(subgroups(details))
    return {
        "split": split,
        "splits": list(report["details"]),
        "details": details,
        "n": details.get("n"),
        "first_rows": score_rows(phase, report["scores"], view)[:1],
        "metric_rows": score_rows(phase, {split: report["scores"][split]}, view) if split in report["scores"] else [],
        "charts": report_charts(report["curves"].get(split, {}), details),
        "confusion": _confusion(details),
        "subgroups": groups,
        "scale": scale_of(groups),
    }


def _confusion(details: Mapping[str, Any]) -> dict[str, Any] | None:
    if not (table := details.get("confusion")) or not table["classes"]:
        return None
    names = [name.replace("_", " ") for name in table["classes"]]
    return {"names": names, "rows": list(zip(names, table["counts"], strict=True))}


def subgroups(details: Mapping[str, Any]) -> Iterator[Subgroup]:
    """Yield the subgroups in order, at most MAX_GROUPS of a property: of more, the largest."""
    rows = details.get("subgroups", [])
    metrics = BINARY if "thresholds" in details else OF_CLASSES
    for by in dict.fromkeys(row["by"] for row in rows):
        of_property = [row for row in rows if row["by"] == by]
        largest = sorted(of_property, key=lambda row: -row["n"])[:MAX_GROUPS]
        kept = [row for row in of_property if row in largest]
        yield from (_subgroup(row, metrics, is_first=number == 0) for number, row in enumerate(kept))


def _subgroup(row: Mapping[str, Any], metrics: Sequence[str], *, is_first: bool) -> Subgroup:
    cells = []
    for metric in metrics:
        low, high = row.get(f"{metric}_ci") or (None, None)
        cells.append(Interval(METRICS[metric].title, row.get(metric), low, high))
    is_small = bool(row.get("is_small")) or len(row) == 3
    return Subgroup(row["by"], row["group"], row["n"], row.get("n_positive"), is_small, cells, is_first)


def scale_of(groups: Sequence[Subgroup]) -> tuple[float, float]:
    """Return the round ends of the axis over the bars of the first metric."""
    ends = [end for group in groups for end in (group.cells[0].low, group.cells[0].high) if end is not None]
    ticks = round_ticks(min(ends), max(ends)) if ends else [0.0, 1.0]
    return max(ticks[0], 0.0), min(ticks[-1], 1.0)
