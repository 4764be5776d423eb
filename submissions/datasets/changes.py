"""What a new version of a dataset changes: cases by their ids, never a label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from submissions.datasets.table import TruthRow
from submissions.models import Case, Dataset

SHOWN = 50
WORDS = {
    "added": "added",
    "removed": "removed",
    "truth": "with another truth",
    "facts": "with other facts",
    "patient": "with another patient",
    "image": "with another image",
}


def changes_of(latest: Dataset | None, rows: Sequence[TruthRow], hashes: dict[str, str]) -> dict[str, Any] | None:
    """Return what `rows` would change against the newest version there is; None where there is none.

    hashes: sha256 by image name. Returns `{"since": version, "unchanged": n, "added" | "removed" | "truth" | "facts" |
    "patient" | "image": {"n": count, "ids": the first of them}}`. The split is not compared: each version is split
    under a secret of its own.
    """
    if latest is None:
        return None
    before = {case.public_id: case for case in latest.cases.all()}
    after = {row.public_id: row for row in rows}
    both = [(before[key], after[key]) for key in before if key in after]
    found = {
        "added": [key for key in after if key not in before],
        "removed": [key for key in before if key not in after],
        "truth": [case.public_id for case, row in both if case.truth != row.truth],
        "facts": [case.public_id for case, row in both if case.facts != row.content.facts],
        "patient": [case.public_id for case, row in both if case.patient != row.patient[:100]],
        "image": [case.public_id for case, row in both if _image_of(case) != hashes.get(row.image, "")],
    }
    changed = {key for name, keys in found.items() if name not in ("added", "removed") for key in keys}
    shown = {name: {"n": len(keys), "ids": keys[:SHOWN]} for name, keys in found.items() if keys}
    return {"since": latest.version, "unchanged": len(both) - len(changed), **shown}


def sentences_of(changes: dict[str, Any] | None) -> list[str]:
    """Return what `changes_of` found for people, such as "2 cases added: a, b"; nothing for a first version."""
    if changes is None:
        return []
    found = [f"Since version {changes['since']}: {_cases(changes['unchanged'])} unchanged."]
    for name, words in WORDS.items():
        if part := changes.get(name):
            more = ", …" if part["n"] > len(part["ids"]) else ""
            found.append(f"{_cases(part['n'])} {words}: {', '.join(part['ids'])}{more}")
    return found


def _cases(count: int) -> str:
    return f"{count:,} case{'' if count == 1 else 's'}"


def _image_of(case: Case) -> str:
    """Return the sha256 of a stored image: its key is named by it; "" where there is none."""
    return PurePosixPath(case.image).stem
