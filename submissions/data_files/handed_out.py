"""What the phases of a challenge hand out of their datasets, read for all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db.models import Count
from django.utils import timezone

from submissions.data_files.counts import counts_of
from submissions.data_files.dictionary import dictionary_of
from submissions.models import Case, Phase, Split

SHOWN_SAMPLES = 50


def handed_out(phases: Sequence[Phase], user: Any) -> list[dict[str, Any]]:
    """Return what each phase hands out; two queries, and one for the groups of all that the reader may count."""
    now, datasets = timezone.now(), {phase.dataset_id for phase in phases}
    cases = Case.objects.filter(dataset__in=datasets).order_by()
    n_by_split: dict[int, Counter[str]] = {dataset: Counter() for dataset in datasets}
    for dataset, split, count in cases.values_list("dataset", "split").annotate(count=Count("pk")):
        n_by_split[dataset][split] = count
    samples: dict[int, list[Case]] = {dataset: [] for dataset in datasets}
    shown = cases.filter(split=Split.SAMPLE).order_by("dataset", "position")
    for case in shown.only("public_id", "image", "facts", "dataset_id"):
        samples[case.dataset_id].append(case)
    counts = counts_of([(phase, phase.view_of(user, now)) for phase in phases])
    return [
        _of_phase(phase, n_by_split[phase.dataset_id], samples[phase.dataset_id], counts[phase.pk]) for phase in phases
    ]


def _of_phase(phase: Phase, n_by_split: Counter[str], samples: list[Case], counts: Any) -> dict[str, Any]:
    n_samples = n_by_split[Split.SAMPLE]
    return {
        "phase": phase,
        "n_cases": n_by_split.total() - n_samples,
        "n_samples": n_samples,
        "samples": samples[:SHOWN_SAMPLES],
        "has_more": len(samples) > SHOWN_SAMPLES,
        "counts": counts,
        "columns": dictionary_of(phase, [case.facts for case in samples]),
    }
