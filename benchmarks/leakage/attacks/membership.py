"""Guess which cases are public from ids, hashes and every order that is handed out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator

import numpy as np
from django.core.files.uploadedfile import SimpleUploadedFile

from benchmarks.leakage.judging import Guess
from benchmarks.leakage.participant import Participant
from benchmarks.leakage.phases import PUBLIC, TRIES

HASHES: dict[str, Callable[[bytes], bytes]] = {
    name: lambda text, name=name: hashlib.new(name, text).digest()  # type: ignore[misc]
    for name in ("sha256", "sha1", "md5", "sha512", "blake2b")
}


def attack(player: Participant, malignant: float, rng: np.random.Generator, *, tries: int = TRIES) -> list[Guess]:
    """Return one guess a rule: the first and the last 300 ids of each order."""
    found = []
    for order in _orders(player):
        known = [public_id for public_id in dict.fromkeys(order) if public_id in set(player.ids)]
        if len(known) >= PUBLIC:
            found += [Guess(members=frozenset(known[:PUBLIC])), Guess(members=frozenset(known[-PUBLIC:]))]
    return found


def _orders(player: Participant) -> Iterator[list[str]]:
    yield player.ids  # as the template has them
    yield sorted(player.ids)
    commitment = json.loads(player.get("/api/v1/phases/{slug}")).get("commitment", "")
    for digest in HASHES.values():
        # The patient of A00017 is P00017, as a participant may know or guess.
        for renamed in (str, lambda public_id: public_id.replace("A", "P")):
            for salt in ("", player.slug, commitment):
                yield sorted(player.ids, key=lambda each: digest((salt + renamed(each)).encode()))
    yield from _orders_of_answers(player)


def _orders_of_answers(player: Participant) -> Iterator[list[str]]:
    """Yield the order in which the check names missing ids, and that in which a page does."""
    for address in ("/api/v1/phases/{slug}/check?ids=all",):
        file = SimpleUploadedFile("p.csv", f"AnnotationID,probability\n{player.ids[0]},0.5\n".encode())
        answer = player.client.post(address.format(slug=player.slug), {"file": file})
        yield [player.ids[0], *answer.json()["details"]["missing_ids"]]
    text = player.get("/api/v1/phases/{slug}/template")
    yield [row[0] for row in csv.reader(io.StringIO(text))][::-1]
