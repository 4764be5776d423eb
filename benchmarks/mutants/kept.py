"""What came of each change, a JSON object a line, written as it comes, so that a run that was ended can be resumed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.mutants.sites import Mutant, change_of, mutated


class Verdict(StrEnum):
    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"
    UNDECIDED = (
        "undecided"  # it ran for long and got little of the processor: counts as not noticed, and is tried again
    )


@dataclass(frozen=True)
class Result:
    """change: the lines before and after. by: the test that noticed, or how many did not."""

    mutant: Mutant
    change: tuple[str, str]
    verdict: Verdict
    by: str
    seconds: float

    @property
    def is_noticed(self) -> bool:
        return self.verdict in (Verdict.KILLED, Verdict.TIMEOUT)


class Kept:
    """The file of results. Of a change that was tried more than once the last result counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def add(self, result: Result) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")

    def all(self) -> dict[Mutant, Result]:
        """Return the results by their mutant, in the order in which those were first tried."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        results = (_result(line) for line in lines)
        return {result.mutant: result for result in results}


def still_there(root: Path, result: Result) -> bool:
    """Tell whether the code still has the place, and the same change can be made there."""
    source = (root / result.mutant.path).read_text()
    try:
        return change_of(source, mutated(result.mutant, source)) == result.change
    except (SyntaxError, AttributeError, IndexError):
        return False


def _result(line: str) -> Result:
    found = json.loads(line)
    return Result(
        Mutant(**found["mutant"]), tuple(found["change"]), Verdict(found["verdict"]), found["by"], found["seconds"]
    )
