"""The states of an evaluation as a diagram, drawn from Evaluation.TRANSITIONS for docs/architecture.md."""

from __future__ import annotations

import re

from submissions.models import Evaluation

Status = Evaluation.Status
FENCE = "```"

# The actor and reason of each transition; a test requires a sentence for each.
TRANSITION_REASONS: dict[tuple[str, str], str] = {
    (Status.PENDING, Status.RUNNING): "a worker claims it",
    (Status.PENDING, Status.CANCELLED): "its team or staff",
    (Status.PENDING, Status.FAILED): "set back too often",
    (Status.RUNNING, Status.COMPLETED): "scored",
    (Status.RUNNING, Status.FAILED): "a verdict",
    (Status.RUNNING, Status.CANCELLED): "its team or staff",
    (Status.RUNNING, Status.PENDING): "sweeper or stopping worker",
    (Status.FAILED, Status.PENDING): "staff retry",
}


def moves() -> list[tuple[str, str]]:
    return [(str(start), str(end)) for start, ends in Evaluation.TRANSITIONS.items() for end in ends]


def states_diagram() -> str:
    """Return the transition table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> pending: submitted"]
    lines += [f"    {start} --> {end}: {TRANSITION_REASONS[start, end]}" for start, end in moves()]
    lines += [f"    {status} --> [*]" for status, ends in Evaluation.TRANSITIONS.items() if not ends]
    return "\n".join([f"{FENCE}mermaid", *lines, FENCE])


def filled_in(page: str) -> str:
    """Return the page with an updated diagram."""
    pattern = re.compile(r"(<!-- generated: states -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{states_diagram()}\n{match[2]}", page)
