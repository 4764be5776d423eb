"""The disclosure policy: one table, one line for each thing that a page, the API, an export or a record could show.

The state of a phase is `practice` (its labels are public), `competition`, or `ended`, which follows from the clock.
Staff see everything. docs/reference/disclosure.md prints this table; `manage.py write_guide` writes it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PRACTICE, COMPETITION, ENDED, STAFF = "practice", "competition", "ended", "staff"
STATES = (PRACTICE, COMPETITION, ENDED)


class Show(StrEnum):
    """How much of an item is shown; the value is what the documentation prints."""

    FULL = "in full"
    LADDER = "a new best only, by the ladder rule, in 3 significant digits"
    ROUNDED = "of a shown score, in 2 significant digits"
    STEPS = "in steps of 10 s, then of 10 %"
    TENTHS = "in tenths"
    QUARTERS = "in quarters of the limit"
    SAMPLES = "on the sample cases, in 1 significant digit"
    CODE = "the code and the tenth"
    PUBLISHED = "once staff have published the truth"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Item:
    """One thing that could be shown. bits: what a try can read from it in a competition before the end."""

    name: str
    title: str
    practice: Show
    competition: Show
    ended: Show
    bits: str

    def show(self, state: str) -> Show:
        return Show.FULL if state == STAFF else Show(getattr(self, state))


def _item(name: str, title: str, competition: Show, bits: str) -> Item:
    return Item(name, title, Show.FULL, competition, Show.FULL, bits)


ITEMS: dict[str, Item] = {
    item.name: item
    for item in (
        _item("sample_results", "metrics, intervals, curves, cases and timings of the sample cases", Show.FULL,
              "0: their truth is public"),
        _item("sample_log", "the container's log and failures on the sample cases", Show.FULL,
              "0: no hidden case was near"),
        _item("public_score", "the ranking metric on the public cases", Show.LADDER,
              "at most log2(1 + steps left above the best), 6.7 for the first"),
        _item("public_interval", "the interval of that score", Show.ROUNDED, "about 6, only with a new best"),
        _item("public_results", "every other number and curve of the public cases, and how many there are",
              Show.NOTHING, "0"),
        _item("private_results", "every number and curve of the private cases, and how many there are",
              Show.NOTHING, "0"),
        Item("counted_cases", "truth, own answer and error of each case that counts", Show.FULL, Show.NOTHING,
             Show.PUBLISHED, "0"),
        _item("comparison", "the paired comparison of two entries", Show.NOTHING, "0"),
        _item("rank_ranges", "the ranks an entry could have, from comparisons of every two", Show.NOTHING, "0"),
        _item("run_time", "how long a run took", Show.STEPS, "at most 5.6 of an hour, of the images: no label is near"),
        _item("progress", "how many hidden cases are answered", Show.TENTHS, "at most 35 of an hour, of the images"),
        _item("memory", "the most memory a container used", Show.QUARTERS, "2, of the images"),
        _item("latency", "seconds a case", Show.SAMPLES, "0: no hidden case is in it"),
        _item("failure", "how a run failed on hidden cases", Show.CODE, "at most 7.2, of the images, and no score"),
        _item("dataset_hash", "the commitment to the dataset", Show.FULL, "0: it has a secret nonce"),
        _item("bootstrap_seed", "the seed of the intervals", Show.NOTHING, "0"),
        Item("hidden_log", "the container's log on hidden cases", Show.NOTHING, Show.NOTHING, Show.NOTHING, "0"),
    )
}  # fmt: skip


def shows(state: str, item: str) -> Show:
    """Return how much of an item is shown in a state of a phase (or to staff)."""
    return ITEMS[item].show(state)
