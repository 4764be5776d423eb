"""Commit to a dataset when it is imported, and open the commitment when its phases have ended.

The commitment is the sha256 of the canonical JSON (RFC 8785) of the revealed data, which hold a random nonce of 32
bytes: before they are published nobody can confirm a guess of the labels by it, and afterwards nobody can have changed
one. Patients become numbers, and what a container is sent beside the image becomes a keyed digest, so that publishing
names nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import rfc8785

from submissions.keyed import keyed_digest

FORMAT = "lunasite dataset 1"


def commitment(revealed: dict[str, Any]) -> str:
    """Return the sha256 in hex of revealed data. Raises rfc8785.CanonicalizationError for what JSON cannot hold."""
    return hashlib.sha256(rfc8785.dumps(revealed)).hexdigest()


def revealed_data(dataset: Any, cases: Iterable[Any]) -> dict[str, Any]:
    """Return everything that scores depend on, as JSON values.

    dataset, cases: rows of the models Dataset and Case, the cases in the dataset's order.
    """
    numbers: dict[str, int] = {}
    return {
        "format": FORMAT,
        "dataset": dataset.name,
        "version": dataset.version,
        "kind": dataset.kind,
        "nonce": dataset.nonce,
        "bootstrap_seed": dataset.bootstrap_seed,
        "cases": [_revealed(dataset, case, numbers) for case in cases],
    }


def _revealed(dataset: Any, case: Any, numbers: dict[str, int]) -> dict[str, Any]:
    facts = rfc8785.dumps([case.public_id, case.facts]).decode()
    return {
        "id": case.public_id,
        "truth": case.truth,
        "split": case.split,
        "patient": numbers.setdefault(case.patient, len(numbers)) if case.patient else None,
        "image_sha256": PurePosixPath(case.image).stem,  # the storage key is the content's digest
        "facts_hmac": keyed_digest(dataset.secret_key, "facts", facts),
    }
