"""One line a target: what was measured, the ratio, what it has to be."""

from dataclasses import dataclass

from benchmarks.harness.rounds import machine


@dataclass(frozen=True)
class Result:
    """ratio: larger is better unless `at_most`; target: what RESULTS.md shows beside it, 0 for nothing."""

    target_name: str
    what: str
    ratio: float
    target: float
    figures: str = ""
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def show(title: str, results: list[Result]) -> None:
    """Print a table that can be pasted into RESULTS.md."""
    print(f"\n### {title}\n\n{machine()}\n")
    print("| target | what | measured | asked | figures |\n| --- | --- | --- | --- | --- |")
    for result in results:
        sign = "≤" if result.at_most else "≥"
        verdict = "" if result.is_met else " (missed)"
        print(
            f"| {result.target_name} | {result.what} | {result.ratio:.3g}{verdict} "
            f"| {f'{sign} {result.target:g}' if result.target else ''} | {result.figures} |"
        )
