"""Takes the mutants one by one, each in a tree that is free, and keeps what came of it."""

from __future__ import annotations

import difflib
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from benchmarks.mutants.covering import Covering
from benchmarks.mutants.session import Chosen, Session
from benchmarks.mutants.sites import Mutant, mutated
from benchmarks.mutants.trees import Tree

# Processor seconds until the first test runs, and how much slower than measured a change may make them.
START_S, SLOWER = 15, 4
PATIENCE = 20  # wall-clock seconds for each of those, on a busy machine
NOTHING_RAN = 5


class Verdict(StrEnum):
    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Result:
    """change: the lines before and after. by: the test that noticed, or how many did not."""

    mutant: Mutant
    change: tuple[str, str]
    verdict: Verdict
    by: str
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Running:
    mutant: Mutant
    change: tuple[str, str]
    session: Session
    tests: list[str]
    cpu_s: int


class Campaign:
    def __init__(self, trees: Sequence[Tree], covering: Covering, work: Path) -> None:
        self.trees, self.covering, self.work = trees, covering, work
        self.results: list[Result] = []
        self.running: dict[int, _Running] = {}

    def run(self, mutants: Sequence[Mutant]) -> list[Result]:
        left = list(enumerate(mutants))
        while left or self.running:
            for slot in range(len(self.trees)):
                if slot in self.running:
                    self._look(slot)
                elif left:
                    self._start(slot, *left.pop(0))
            time.sleep(0.02)
        return sorted(self.results, key=lambda result: (result.mutant.path, result.mutant.line, result.mutant.column))

    def _start(self, slot: int, number: int, mutant: Mutant) -> None:
        tree = self.trees[slot]
        source = (tree.copy / mutant.path).read_text()
        changed = mutated(mutant, source)
        change = _change(source, changed)
        tests = self.covering.tests_for(mutant, source)
        if not tests:
            self._keep(mutant, change, Verdict.SURVIVED, "no test runs it", 0)
            return
        tree.change(mutant.path, changed)
        files = sorted({test.split("::")[0] for test in tests})
        log = self.work / f"{number:03}.log"
        cpu_s = START_S + SLOWER * round(sum(self.covering.seconds[test] for test in tests))
        session = Session(tree.copy, files, log, [Chosen(tests)], ["-x"], cpu_s)
        self.running[slot] = _Running(mutant, change, session, tests, cpu_s)

    def _look(self, slot: int) -> None:
        run = self.running[slot]
        code = run.session.result()
        if code is None and run.session.seconds < PATIENCE * run.cpu_s:
            return
        del self.running[slot]
        if code is None:
            run.session.kill()
        if code is None or code in (-signal.SIGXCPU, -signal.SIGKILL):
            verdict, by = Verdict.TIMEOUT, f"{run.cpu_s} processor seconds"
        elif code in (0, NOTHING_RAN):
            verdict, by = Verdict.SURVIVED, f"{len(run.tests)} tests pass"
        else:
            verdict, by = Verdict.KILLED, _first_failure(run.session.log)
        self.trees[slot].restore()
        self._keep(run.mutant, run.change, verdict, by, run.session.seconds)

    def _keep(self, mutant: Mutant, change: tuple[str, str], verdict: Verdict, by: str, seconds: float) -> None:
        self.results.append(Result(mutant, change, verdict, by, round(seconds, 1)))
        survived = sum(result.verdict == Verdict.SURVIVED for result in self.results)
        if verdict == Verdict.SURVIVED:
            print(f"{mutant}: {by}\n  - {change[0]}\n  + {change[1]}", flush=True)
        if len(self.results) % 20 == 0:
            print(f"{len(self.results)} done, {survived} survive", flush=True)


def _change(before: str, after: str) -> tuple[str, str]:
    """Return the changed lines, old and new, each as one line."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[3:]
    old, new = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return old, new


def _first_failure(log: Path) -> str:
    found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", log.read_text(errors="replace"), re.M)
    return found[1] if found else "the code could not be imported"
