"""Generate parts of docs/participant-guide.md from code: failure codes, limits, the command to run at home."""

from __future__ import annotations

import re

from submissions.failures import FAILURES, PARTICIPANT
from submissions.kinds import KINDS
from submissions.runner.base import Limits
from submissions.runner.contracts import CONTRACTS, Contract
from submissions.runner.contracts.base import KINDS as KINDS_HERE
from submissions.runner.contracts.base import RUN
from submissions.runner.docker_run_command import docker_run_command

FENCE = "```"


def failure_table() -> str:
    """Return every failure code as a Markdown table."""
    lines = ["| code | stage | whose fault | counts | what it means |", "| --- | --- | --- | --- | --- |"]
    for failure in FAILURES.values():
        whose = "yours" if failure.fault == PARTICIPANT else "ours"
        counts = "yes" if failure.counts else "no"
        sentence = failure.sentence.replace("|", "\\|")  # an unescaped | would end the cell
        lines.append(f"| `{failure.code}` | {failure.stage} | {whose} | {counts} | {sentence} |")
    return "\n".join(lines)


def csv_list() -> str:
    """Return the contents of each kind's CSV as a Markdown list."""
    lines = []
    for kind in KINDS.values():
        lines.append(f"- **{kind.title}** (`{','.join(kind.template_header())}`). {' '.join(kind.csv_sentences())}")
    return "\n".join(lines)


def contract_section(contract: Contract) -> str:
    """Return a contract's section: its text, what its kinds add and the command to run it at home."""
    kinds = "\n\n".join(contract.kind_guide(kind) for kind in KINDS.values() if contract.serves(kind))
    line = f"{FENCE}bash\n{docker_run_command(Limits(), contract)}\n{FENCE}"
    return contract.guide.strip().replace(KINDS_HERE, kinds).replace(RUN, line)


def sections() -> dict[str, str]:
    """Return the generated sections by the name in their markers."""
    return {
        "failures": failure_table(),
        "csv": csv_list(),
        "contracts": "\n\n".join(contract_section(contract) for contract in CONTRACTS.values()),
    }


def filled_in(guide: str) -> str:
    """Return the guide with updated generated sections."""
    for name, text in sections().items():
        pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        guide = pattern.sub(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", guide)  # type: ignore[misc]
    return guide
