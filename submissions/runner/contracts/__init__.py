"""The container contracts. A new one is a file here with a `CONTRACT`; no other file names it."""

from __future__ import annotations

import importlib
import pkgutil

from submissions.kinds import Kind

from .base import Contract


def _discovered() -> dict[str, Contract]:
    """Return the `CONTRACT` of every module of this package that has one, by name, in the order of their ranks."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    found = sorted(
        (module.CONTRACT for module in modules if hasattr(module, "CONTRACT")), key=lambda contract: contract.rank
    )
    by_name = {contract.name: contract for contract in found}
    assert len(by_name) == len(found), "two container contracts have one name"
    return by_name


CONTRACTS: dict[str, Contract] = _discovered()


def contracts_for(kind: Kind) -> list[Contract]:
    """Return the contracts that can drive images for a kind, the usual one first."""
    return [contract for contract in CONTRACTS.values() if contract.serves(kind)]


def contract_choices() -> list[tuple[str, str]]:
    """Return (name, label) of the contracts; a function, so that a new one needs no migration."""
    return [(contract.name, contract.label) for contract in CONTRACTS.values()]


def default_contract() -> str:
    return next(iter(CONTRACTS))


__all__ = ["CONTRACTS", "Contract", "contract_choices", "contracts_for", "default_contract"]
