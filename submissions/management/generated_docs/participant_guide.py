"""The parts of docs/participant-guide.md that come from code: failure codes, limits, the sandbox at home."""

from __future__ import annotations

import re

from submissions.failures import FAILURES, PARTICIPANT
from submissions.runner.base import Limits
from submissions.runner.docker_run_command import docker_run_command

FENCE = "```"


def failure_table() -> str:
    """Return every failure code as a Markdown table."""
    lines = ["| code | stage | whose fault | counts | what it means |", "| --- | --- | --- | --- | --- |"]
    for failure in FAILURES.values():
        whose = "yours" if failure.fault == PARTICIPANT else "ours"
        counts = "yes" if failure.counts else "no"
        sentence = failure.sentence.replace("|", "\\|")  # else it would end the cell
        lines.append(f"| `{failure.code}` | {failure.stage} | {whose} | {counts} | {sentence} |")
    return "\n".join(lines)


def sections() -> dict[str, str]:
    """Return the generated sections by the name in their markers."""
    return {
        "failures": failure_table(),
        "run-http": f"{FENCE}bash\n{docker_run_command(Limits())}\n{FENCE}",
        "run-batch": f"{FENCE}bash\n{docker_run_command(Limits(), contract='batch')}\n{FENCE}",
    }


def filled_in(guide: str) -> str:
    """Return the guide with its generated sections brought up to date."""
    for name, text in sections().items():
        pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        guide = pattern.sub(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", guide)  # type: ignore[misc]
    return guide
