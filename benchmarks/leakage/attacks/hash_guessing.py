"""Confirm guessed labels by a hash: whoever knows the table but for a few labels tries them all.

Given here is everything but the labels of 8 cases. Every digest on any page is compared with each way in which the
table could have been hashed without a secret.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

from benchmarks.leakage.judging import Guess
from benchmarks.leakage.participant import Participant
from submissions.datasets.commitment import commitment, revealed_data
from submissions.models import Case, Dataset

UNKNOWN = 8
NONCES = ("", "0" * 64, "f" * 64)


def attack(player: Participant, dataset: Dataset, cases: list[Case], unknown: list[Case]) -> list[Guess]:
    """dataset, cases: all that the attacker knows. unknown: those of the cases whose truth is to be found."""
    digests = player.look().digests()
    for labels in itertools.product((0, 1), repeat=len(unknown)):
        for case, label in zip(unknown, labels, strict=True):
            case.truth = label
        if digests & set(_hashes(dataset, cases)):
            return [Guess({case.public_id: label for case, label in zip(unknown, labels, strict=True)})]
    return [Guess()]


def hash_as_before(kind: str, cases: list[Case]) -> str:
    """Return the hash that datasets had before they had a nonce."""
    digest = hashlib.sha256(kind.encode())
    for case in cases:
        line: list[Any] = [case.public_id, case.truth, case.facts, case.patient, case.split, ""]
        digest.update(json.dumps(line, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _hashes(dataset: Dataset, cases: list[Case]) -> Iterator[str]:
    yield hash_as_before(dataset.kind, cases)
    yield hashlib.sha256("".join(str(case.truth) for case in cases).encode()).hexdigest()
    for nonce in NONCES:
        dataset.nonce = nonce
        yield commitment(revealed_data(dataset, cases))
