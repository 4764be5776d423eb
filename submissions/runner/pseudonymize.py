"""Pseudonymisation: neutral names and a shuffled order, so that nothing sent to a container carries a label.

A lesion's number alone predicts LUNA25's labels (AUC 0.73), its number together with the count of
lesions in the series 0.80: so ids are drawn anew, and every lesion has a series uid of its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from submissions.runner.base import Call, RunCase

UID_ROOT = "2.25."


def pseudonymize_cases(cases: Sequence[RunCase], seed: int, *, one_uid_an_image: bool = False) -> list[Call]:
    """Return the cases in a shuffled order under neutral names; lesions of an image stay together, as do a series'.

    The order and the names depend on `seed` only, not on the order, ids or number of lesions given.
    one_uid_an_image: lesions of one image share a uid. A series may have an image a lesion: cut-outs.
    """
    rng = random.Random(seed)
    by_series: dict[str, list[RunCase]] = {}
    for case in sorted(cases, key=lambda case: case.case_id):
        by_series.setdefault(case.series_key, []).append(case)
    groups = [by_series[key] for key in sorted(by_series)]
    rng.shuffle(groups)
    lesion_ids = rng.sample(range(1, max(100_000, 20 * len(cases))), len(cases))
    calls: list[Call] = []
    for group in groups:
        shared: dict[Path, str] = {}
        for case in _shuffled_by_image(group, rng):
            number = len(calls)
            uid = shared.setdefault(case.image_path, _uid(rng)) if one_uid_an_image else _uid(rng)
            calls.append(Call(number, case, uid, lesion_ids[number]))
    return calls


def _shuffled_by_image(cases: Sequence[RunCase], rng: random.Random) -> list[RunCase]:
    """Return a series' cases with those of one image side by side."""
    by_image: dict[Path, list[RunCase]] = {}
    for case in cases:
        by_image.setdefault(case.image_path, []).append(case)
    images = list(by_image.values())
    rng.shuffle(images)
    for group in images:
        rng.shuffle(group)
    return [case for group in images for case in group]


def _uid(rng: random.Random) -> str:
    return UID_ROOT + str(rng.getrandbits(120))
