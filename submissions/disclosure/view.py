"""A viewer's view of one phase at one moment: what of scores, curves and timings is shown, and in which form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from submissions.scoring import SHOWN_INTERVAL, preferred_interval

from .policy import STAFF, Show, shows
from .rounding import clamped, places_of, rounded, significant
from .side_channels import memory_quarters

PUBLIC, PRIVATE, SAMPLE = "public", "private", "sample"
PAGE_DECIMALS = 4
# The timings that a participant may see in full; none of them is about a single case.
TIMINGS = ("load_s", "smoke_s", "start_s", "predict_s", "score_s", "latency_median_s", "latency_p95_s",
           "peak_memory_bytes")  # fmt: skip
# Of these no hidden case is part.
HARMLESS_TIMINGS = ("load_s", "smoke_s")
SAMPLE_TIMINGS = "sample_"


@dataclass(frozen=True)
class View:
    """state: of the phase, or `staff`. decimals: of everything shown in full, None for full precision."""

    state: str
    metric: str
    decimals: int | None
    digits: int = 3
    interval_digits: int = 2
    step: float = 0.0

    def shows(self, item: str) -> Show:
        return shows(self.state, item)

    def is_full(self, item: str) -> bool:
        return self.shows(item) is Show.FULL

    @property
    def is_staff(self) -> bool:
        return self.state == STAFF

    @property
    def full_splits(self) -> tuple[str, ...]:
        """The splits of which everything is shown, the counted ones first."""
        items = {PUBLIC: "public_results", PRIVATE: "private_results", SAMPLE: "sample_results"}
        return tuple(split for split, item in items.items() if self.is_full(item))

    @property
    def counted_splits(self) -> tuple[str, ...]:
        """The splits, samples apart, of which some score is shown."""
        return tuple(split for split in (PUBLIC, PRIVATE) if split in self.full_splits or split == PUBLIC)

    def case_splits(self, *, is_published: bool) -> tuple[str, ...]:
        """Return the splits whose cases are shown one by one, the counted ones first. is_published: their truth is."""
        show = self.shows("counted_cases")
        counted = show is Show.FULL or (show is Show.PUBLISHED and is_published)
        samples = (SAMPLE,) if self.is_full("sample_results") else ()
        return ((PUBLIC, PRIVATE) if counted else ()) + samples

    @property
    def has_ladder(self) -> bool:
        """Whether public scores are shown by the ladder: a score then has no other form than the shown one."""
        return self.shows("public_score") is Show.LADDER

    def scores(self, stored: Mapping[str, Any], shown_score: float | None) -> dict[str, Any]:
        """Return what is shown of an evaluation's scores by split. shown_score: as the ladder left it, or None."""
        limited = {PUBLIC: self._ladder_score(stored.get(PUBLIC, {}), shown_score)} if self.has_ladder else {}
        full = {split: self._in_full(stored[split]) for split in self.full_splits if split in stored}
        return {split: scores for split, scores in (limited | full).items() if scores}

    def _ladder_score(self, of_public: Mapping[str, Any], shown_score: float | None) -> dict[str, Any]:
        if shown_score is None:
            return {}
        found = preferred_interval(of_public, self.metric)
        shown: dict[str, Any] = {self.metric: shown_score}
        if found and self.shows("public_interval") is not Show.NOTHING:
            ends = [significant(clamped(self.metric, end), self.interval_digits) for end in found]
            # The method's own name would tell how many hidden cases there are of a class (docs/metrics.md, `newcombe`).
            shown[f"{self.metric}_ci"] = {SHOWN_INTERVAL: ends}
        return shown

    def _in_full(self, of_split: Mapping[str, Any]) -> Any:
        """Round and clamp one split's numbers; staff, and a phase that shows full precision, see them as stored."""
        if self.state == STAFF or self.decimals is None:
            return rounded(dict(of_split), self.decimals)
        return rounded({name: _inside(name, value) for name, value in of_split.items()}, self.decimals)

    def curves(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the curves by split, of the splits shown in full."""
        return {split: rounded(stored[split], self.decimals) for split in self.full_splits if split in stored}

    def timings(self, stored: Mapping[str, Any], limit_mib: int) -> dict[str, Any]:
        """Return the timings that may be known. limit_mib: the memory the container could use."""
        names = TIMINGS if self.is_full("run_time") else HARMLESS_TIMINGS
        shown = {name: stored[name] for name in names if name in stored}
        shown |= {name: value for name, value in stored.items() if name.startswith(SAMPLE_TIMINGS)}
        if not self.is_full("memory") and "peak_memory_bytes" in stored:
            shown["peak_memory_quarters"] = memory_quarters(stored["peak_memory_bytes"], limit_mib)
        return shown

    def latency_s(self, timings: Mapping[str, Any]) -> float | None:
        """Return the median seconds a case: of the hidden run, or in one digit of the sample cases."""
        is_full = self.is_full("latency")
        seconds = timings.get("latency_median_s" if is_full else "sample_latency_median_s")
        if not isinstance(seconds, int | float):
            return None
        return round(float(seconds), 3) if is_full else significant(float(seconds), 1)

    def score_text(self, value: float | str | None) -> str:
        """Return a score of the ranking board as a page shows it, a dash where it is missing."""
        if value is None or isinstance(value, str):  # a template's missing name is ""
            return "–"
        if not self.has_ladder:
            decimals = PAGE_DECIMALS if self.decimals is None else self.decimals
            return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0: never "-0.0000"
        return f"{value:.{places_of(self.step)}f}" if self.step else _digits_text(value, self.digits)

    def end_text(self, value: float | str | None) -> str:
        """Return an end of an interval as a page shows it."""
        if value is None or isinstance(value, str) or not self.has_ladder:
            return self.score_text(value)
        return _digits_text(value, self.interval_digits)


def _inside(name: str, value: Any) -> Any:
    """Return a stored number inside its metric's range, and so the ends of a metric's intervals; else the value."""
    if isinstance(value, float):
        return clamped(name, value)
    if isinstance(value, Mapping):
        metric = name.removesuffix("_ci")
        return {method: [clamped(metric, end) for end in ends] for method, ends in value.items()}
    return value


def _digits_text(value: float, digits: int) -> str:
    """Return the value with its trailing zeros: 0.9 in three digits is 0.900."""
    text = f"{value:#.{digits}g}"
    return f"{value:g}" if "e" in text else text.rstrip(".")
