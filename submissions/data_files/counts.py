"""How many cases a phase has, by split and group, as far as its disclosure tells (docs/reference/disclosure.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from submissions.disclosure import View
from submissions.models import Phase

KEPT_S = 24 * 3600
DECADE = 10


@dataclass(frozen=True)
class CountTable:
    """title: of the first column. rows: (group, count in each of `splits`)."""

    title: str
    splits: list[str]
    rows: list[tuple[str, list[int]]]


def counts_of(phase: Phase, view: View) -> list[CountTable]:
    """Return the tables for the splits of which the view shows everything: before a competition's end the samples."""
    splits = tuple(view.full_splits)
    key = f"case-counts:{phase.dataset_id}:{phase.dataset.content_hash[:32]}:{','.join(splits)}"  # type: ignore[attr-defined]
    found: list[CountTable] = cache.get_or_set(key, lambda: _counted(phase, splits), KEPT_S) or []
    return found


def _counted(phase: Phase, splits: tuple[str, ...]) -> list[CountTable]:
    cases = list(phase.dataset.cases.filter(split__in=splits).values_list("split", "truth", "facts"))
    present = [split for split in splits if any(case[0] == split for case in cases)]
    names = phase.kind.class_names
    groups: list[tuple[str, Callable[[Any, Mapping[str, Any]], str]]] = [
        ("Class", lambda truth, facts: names[truth] if names else phase.kind.class_of(truth)),
        ("Sex", lambda truth, facts: str(_clinical(facts).get("Gender") or "")),
        ("Age", lambda truth, facts: _decade(_clinical(facts).get("Age_at_StudyDate"))),
    ]
    tables = [
        _table(title, present, ((split, of(truth, facts)) for split, truth, facts in cases)) for title, of in groups
    ]
    # A table of one nameless group says nothing: the dataset has no such column.
    return [table for table in tables if any(name != UNKNOWN for name, _ in table.rows)]


UNKNOWN = "not known"


def _table(title: str, splits: list[str], pairs: Iterable[tuple[str, str]]) -> CountTable:
    counts = Counter((name or UNKNOWN, split) for split, name in pairs)
    names = sorted({name for name, _ in counts}, key=lambda name: (name == UNKNOWN, name))
    return CountTable(title, splits, [(name, [counts[name, split] for split in splits]) for name in names])


def _clinical(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    return facts.get("clinical") or {}


def _decade(age: Any) -> str:
    """Return such as "60 to 69"."""
    try:
        start = int(float(age)) // DECADE * DECADE
    except (TypeError, ValueError):
        return ""
    return f"{start} to {start + DECADE - 1}"
