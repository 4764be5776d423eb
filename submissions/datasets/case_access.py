"""Who may look at a case: the sample cases are everybody's who may see the phase, the others its organisers' alone."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from submissions.models import Case, Phase, Split
from submissions.models.access import may


def cases_visible_to(user: Any, phase: Phase) -> QuerySet[Case]:
    """Return the cases of a phase whose images `user` may see; the truth only of sample cases goes with them."""
    cases = phase.dataset.cases.order_by("position")
    if may(user, "submissions.view_evaluation", phase):
        return cases
    return cases.filter(split=Split.SAMPLE)


def points_shown(case: Case) -> list[list[float]]:
    """Return the points to look at in a case's image, (x, y, z), mm, LPS.

    Of a hidden case only those that containers get too: in detection the points themselves are the truth.
    """
    if case.split == Split.SAMPLE:
        return case.points_xyz_mm()
    point = case.facts.get("point_xyz_mm")
    return [point] if point else []
