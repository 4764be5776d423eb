"""Scores as table rows for a page, in the form that the reader's view of the phase gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from submissions.disclosure import PUBLIC, View
from submissions.disclosure.policy import ENDED
from submissions.models import Evaluation, Phase, Submission
from submissions.presenters.progress import Progress, steps_of
from submissions.scoring import INTERVAL_TITLES, METRICS, preferred_method


@dataclass(frozen=True)
class Cell:
    """One number as text; low and high are the ends of its interval, empty without one.

    method: how the interval was computed. luna25: LUNA25's own interval, where it is another. is_small: the split has
    under ten cases of some class.
    """

    split: str
    value: str
    low: str = ""
    high: str = ""
    method: str = ""
    luna25: str = ""
    is_small: bool = False


@dataclass(frozen=True)
class ScoreRow:
    title: str
    higher_is_better: bool
    ranks: bool
    cells: list[Cell]


def score_rows(phase: Phase, scores: Mapping[str, Mapping[str, Any]], view: View) -> list[ScoreRow]:
    """Return one row per metric, the ranking metric first, with one cell per split of `scores`.

    scores: as `view` shows them.
    """
    names = sorted(phase.kind.metrics, key=lambda name: name != phase.ranking_metric)
    shown = [name for name in names if any(name in of_split for of_split in scores.values())]
    return [
        ScoreRow(
            METRICS[name].title,
            METRICS[name].higher_is_better,
            name == phase.ranking_metric,
            [_cell(view, split, of_split, name) for split, of_split in scores.items()],
        )
        for name in shown
    ]


def _cell(view: View, split: str, of_split: Mapping[str, Any], name: str) -> Cell:
    if split != PUBLIC:
        view = replace(view, state=ENDED)  # whatever else is shown, is shown in full
    value, is_small = view.score_text(of_split.get(name)), bool(of_split.get("is_small"))
    by_method = of_split.get(f"{name}_ci") or {}
    method = preferred_method(by_method)
    if not method:
        return Cell(split, value, is_small=is_small)
    low, high = (view.end_text(float(end)) for end in by_method[method])
    own = by_method.get("luna25") if method != "luna25" else None
    luna25 = " – ".join(view.end_text(float(end)) for end in own) if own else ""
    return Cell(split, value, low, high, INTERVAL_TITLES.get(method, method), luna25, is_small)


def listed_score(submission: Submission, user: Any, now: datetime) -> str:
    """Return the public score of the ranking metric as `user` may see it, for a list; empty while there is none."""
    view = submission.phase.view_of(user, now)
    value = submission.scores_shown_to(user, now).get(PUBLIC, {}).get(view.metric)
    return "" if value is None else view.score_text(value)


def sample_rows(phase: Phase, cases: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (id, truth, answer) of the sample cases of a report as text."""
    return [(case["id"], truth_text(phase, case["truth"]), answer_text(case["answer"])) for case in cases]


def answer_text(answer: Any) -> str:
    """Return an answer as a cell: its numbers, or how many findings it holds."""
    numbers = answer if isinstance(answer, list | tuple) else [answer]
    if numbers and all(isinstance(number, int | float) for number in numbers):
        return ", ".join(f"{number:.4g}" for number in numbers)
    return f"{len(numbers)} findings"


def truth_text(phase: Phase, truth: Any) -> str:
    """Return a truth as a cell: the class's name, or JSON where the kind has no classes."""
    names = phase.kind.class_names
    return names[truth] if names else json.dumps(truth)


def step_states(evaluation: Evaluation, progress: Progress) -> list[tuple[str, str]]:
    """Return (step, CSS class) for the line of steps: done, now, bad, or "" for a step still to come."""
    steps = steps_of(evaluation.submission)
    if evaluation.status == Evaluation.Status.COMPLETED:
        return [(step, "done") for step in steps]
    here = steps.index(progress.step)
    mark = "bad" if evaluation.is_finished else "now"
    return [(step, "done" if i < here else mark if i == here else "") for i, step in enumerate(steps)]
