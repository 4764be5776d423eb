"""Scores as table rows for a page: always rounded, whatever precision the phase's API shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from submissions.models import Evaluation, Phase, Submission
from submissions.presenters.progress import Progress, steps_of
from submissions.scoring import METRICS, preferred_interval

PAGE_DECIMALS = 4


@dataclass(frozen=True)
class Cell:
    """One number as text; low and high are the ends of its interval, empty without one."""

    split: str
    value: str
    low: str = ""
    high: str = ""


@dataclass(frozen=True)
class ScoreRow:
    title: str
    higher_is_better: bool
    ranks: bool
    cells: list[Cell]


def page_number(phase: Phase, value: float | None) -> str:
    """Return a score as pages show it: with the phase's decimals, or four if the phase shows full precision."""
    if value is None:
        return "–"
    return f"{value:.{PAGE_DECIMALS if phase.decimals is None else phase.decimals}f}"


def score_rows(phase: Phase, scores: Mapping[str, Mapping[str, Any]]) -> list[ScoreRow]:
    """Return one row per metric, the ranking metric first, with one cell per split of `scores`."""
    names = sorted(phase.kind.metrics, key=lambda name: name != phase.ranking_metric)
    shown = [name for name in names if any(name in of_split for of_split in scores.values())]
    return [
        ScoreRow(
            METRICS[name].title,
            METRICS[name].higher_is_better,
            name == phase.ranking_metric,
            [_cell(phase, split, of_split, name) for split, of_split in scores.items()],
        )
        for name in shown
    ]


def _cell(phase: Phase, split: str, of_split: Mapping[str, Any], name: str) -> Cell:
    interval = preferred_interval(of_split, name)
    low, high = (page_number(phase, end) for end in interval) if interval else ("", "")
    return Cell(split, page_number(phase, of_split.get(name)), low, high)


def listed_score(submission: Submission) -> str:
    """Return the public score of the ranking metric, for a list; empty while there is none."""
    value = submission.public_score
    return "" if value is None else page_number(submission.phase, value)


def step_states(evaluation: Evaluation, progress: Progress) -> list[tuple[str, str]]:
    """Return (step, CSS class) for the line of steps: done, now, bad, or "" for a step still to come."""
    steps = steps_of(evaluation.submission)
    if evaluation.status == Evaluation.Status.COMPLETED:
        return [(step, "done") for step in steps]
    here = steps.index(progress.step)
    mark = "bad" if evaluation.is_finished else "now"
    return [(step, "done" if i < here else mark if i == here else "") for i, step in enumerate(steps)]
