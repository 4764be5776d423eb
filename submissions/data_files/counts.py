"""How many cases a phase has, by split and group, as far as its disclosure tells (docs/reference/disclosure.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Q

from submissions.disclosure import View
from submissions.models import Case, Phase

KEPT_S = 24 * 3600
DECADE = 10
Row = tuple[Any, ...]  # split, truth, facts


@dataclass(frozen=True)
class CountTable:
    """title: of the first column. rows: (group, count in each of `splits`)."""

    title: str
    splits: list[str]
    rows: list[tuple[str, list[int]]]


def counts_of(asked: Sequence[tuple[Phase, View]]) -> dict[int, list[CountTable]]:
    """Return the tables by the phase's number, for the splits of which its view shows everything.

    Before a competition's end these are the samples. What was counted is kept; the rest is read in one query.
    """
    keys = {phase.pk: _key(phase, view) for phase, view in asked}
    kept: dict[str, list[CountTable]] = cache.get_many(keys.values()) if keys else {}
    missing = [(phase, tuple(view.full_splits)) for phase, view in asked if keys[phase.pk] not in kept]
    if missing:
        cases = _cases_of(missing)
        fresh = {keys[phase.pk]: _counted(phase, splits, cases[phase.dataset_id]) for phase, splits in missing}
        cache.set_many(fresh, KEPT_S)
        kept |= fresh
    return {pk: kept[key] for pk, key in keys.items()}


def _key(phase: Phase, view: View) -> str:
    return f"case-counts:{phase.dataset_id}:{phase.dataset.content_hash[:32]}:{','.join(view.full_splits)}"


def _cases_of(asked: Sequence[tuple[Phase, tuple[str, ...]]]) -> dict[int, list[Row]]:
    """Return split, truth and facts of the cases that one of the phases may count, by the number of the dataset."""
    wanted = Q(pk__in=[])
    for phase, splits in asked:
        wanted |= Q(dataset=phase.dataset_id, split__in=splits)
    found: dict[int, list[Row]] = {phase.dataset_id: [] for phase, _ in asked}
    for dataset, *row in Case.objects.filter(wanted).order_by().values_list("dataset", "split", "truth", "facts"):
        found[dataset].append(tuple(row))
    return found


def _counted(phase: Phase, splits: tuple[str, ...], rows: list[Row]) -> list[CountTable]:
    cases = [row for row in rows if row[0] in splits]
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
