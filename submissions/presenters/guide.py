"""The site's short participant guide, as values: what each container contract requires, and every failure code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from submissions.failures import FAILURES
from submissions.kinds import KINDS
from submissions.runner.contracts import CONTRACTS


@dataclass(frozen=True)
class ContractGuide:
    """label: the contract's. kinds: (title, what it requires) of each kind that it serves."""

    label: str
    kinds: list[tuple[str, str]]


def contract_guides() -> list[ContractGuide]:
    """Return the guide to each contract, the usual one first."""
    return [
        ContractGuide(
            contract.label,
            [(kind.title, contract.summary(kind)) for kind in KINDS.values() if contract.serves(kind)],
        )
        for contract in CONTRACTS.values()
    ]


def guide_context() -> dict[str, Any]:
    """Return what the guide's template shows."""
    return {"contracts": contract_guides(), "failures": list(FAILURES.values())}
