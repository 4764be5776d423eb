"""A report as one CSV: a row for each number, with its interval and the number of cases it is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lunasite.http.files.csv_export import as_csv
from submissions.scoring import preferred_interval

HEADER = ("section", "split", "name", "metric", "value", "low", "high", "n")
COUNTS = ("tp", "fp", "fn", "tn")
SHARES = ("sensitivity", "specificity", "ppv", "npv")


def report_csv(report: Mapping[str, Any]) -> str:
    """Return a full report as CSV: texts escaped, numbers as numbers."""
    return as_csv(HEADER, report_rows(report))


def report_rows(report: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows in the columns of HEADER."""
    for split, scores in report["scores"].items():
        yield from _score_rows(split, scores)
    for split, found in report["details"].items():
        yield from _threshold_rows(split, found)
        yield from _reliability_rows(split, found)
        yield from _confusion_rows(split, found)
        yield from _subgroup_rows(split, found)
    yield from _standing_rows(report["standing"], report["metric"])
    for name, value in report["timings"].items():
        if isinstance(value, int | float):
            yield "timing", "", "", name, value, None, None, None


def _score_rows(split: str, scores: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for name, value in scores.items():
        if isinstance(value, float):
            low, high = preferred_interval(scores, name) or (None, None)
            yield "score", split, "", name, value, low, high, scores.get("n")


def _threshold_rows(split: str, found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for row in found.get("thresholds", ()):
        for name in (*COUNTS, *SHARES):
            low, high = row.get(f"{name}_ci") or (None, None)
            yield "threshold", split, row["threshold"], name, row[name], low, high, found["n"]


def _reliability_rows(split: str, found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for number, row in enumerate(found.get("reliability", ()), 1):
        yield "reliability", split, f"bin {number}", "mean", row["mean"], None, None, row["n"]
        yield "reliability", split, f"bin {number}", "observed", row["observed"], *row["observed_ci"], row["n"]


def _confusion_rows(split: str, found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if table := found.get("confusion"):
        for name, counts in zip(table["classes"], table["counts"], strict=True):
            for called, count in zip(table["classes"], counts, strict=True):
                yield "confusion", split, name, f"called {called}", count, None, None, sum(counts)


def _subgroup_rows(split: str, found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for row in found.get("subgroups", ()):
        for name in [key for key, value in row.items() if isinstance(value, float)] or ["n"]:
            low, high = row.get(f"{name}_ci") or (None, None)
            yield "subgroup", split, f"{row['by']}: {row['group']}", name, row[name], low, high, row["n"]


def _standing_rows(standing: Mapping[str, Any] | None, metric: str) -> Iterator[tuple[Any, ...]]:
    if standing is None:
        return
    if standing["rank"] is not None:
        yield "standing", standing["split"], "rank", metric, standing["rank"], None, None, standing["n_entries"]
    for other in ("last", "best"):
        if standing[other]:
            yield (
                "standing",
                standing["split"],
                f"change to the {other}",
                metric,
                standing[other]["change"],
                None,
                None,
                None,
            )
