"""Takes the mutants one by one, each in a tree that is free, and keeps what came of it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants.covering import Covering
from benchmarks.mutants.kept import Kept, Result, Verdict
from benchmarks.mutants.server import RunningServer, runs_in_a_function
from benchmarks.mutants.session import Chosen, Session
from benchmarks.mutants.sites import Mutant, change_of, mutated
from benchmarks.mutants.trees import Tree

# Processor seconds until the first test runs, and how much slower than measured a change may make them. Collecting all
# tests takes 12 s on a quiet machine and up to 30 on a busy one; what ends here counts as noticed, so it is generous.
START_S, SLOWER = 40, 4
PATIENCE = 20  # wall-clock seconds for each of those, on a busy machine
NOTHING_RAN = 5


@dataclass
class _Running:
    """session: the fresh process, None while the server tries."""

    mutant: Mutant
    source: str
    change: tuple[str, str]
    tests: list[str]
    cpu_s: int
    began: float
    session: Session | None = None


class Campaign:
    """servers: one a tree, for the changes that need no fresh import."""

    def __init__(
        self, trees: Sequence[Tree], servers: Sequence[RunningServer], covering: Covering, work: Path, kept: Kept
    ) -> None:
        self.trees, self.servers, self.covering, self.work, self.kept = trees, servers, covering, work, kept
        self.done, self.survived = 0, 0
        self.running: dict[int, _Running] = {}

    def run(self, mutants: Sequence[Mutant]) -> None:
        left = list(mutants)
        while left or self.running:
            for slot in range(len(self.trees)):
                if slot in self.running:
                    self._look(slot, self.running[slot])
                elif left:
                    self._start(slot, left.pop(0))
            time.sleep(0.02)

    def _start(self, slot: int, mutant: Mutant) -> None:
        source = (self.trees[slot].copy / mutant.path).read_text()
        changed = mutated(mutant, source)
        tests = self.covering.tests_for(mutant, source)
        cpu_s = START_S + SLOWER * round(sum(self.covering.seconds[test] for test in tests))
        run = _Running(mutant, changed, change_of(source, changed), tests, cpu_s, time.monotonic())
        if not tests:
            self._keep(run, Verdict.SURVIVED, "no test runs it")
            return
        self.running[slot] = run
        if runs_in_a_function(source, mutant.line, mutant.column):
            self.servers[slot].ask(mutant, changed, tests, cpu_s, PATIENCE * cpu_s)
        else:
            self._start_afresh(slot, run)

    def _start_afresh(self, slot: int, run: _Running) -> None:
        tree = self.trees[slot]
        tree.change(run.mutant.path, run.source)
        files = sorted({test.split("::")[0] for test in run.tests})
        run.session = Session(tree.copy, files, self._log(slot), [Chosen(run.tests)], ["-x"], run.cpu_s)

    def _log(self, slot: int) -> Path:
        return self.work / f"fresh-{slot}.log"

    def _look(self, slot: int, run: _Running) -> None:
        if run.session is None:
            self._look_at_server(slot, run)
            return
        code = run.session.result()
        if code is None and run.session.seconds < PATIENCE * run.cpu_s:
            return
        if code is None:
            run.session.kill()
        del self.running[slot]
        self.trees[slot].restore()
        if code in (0, NOTHING_RAN):
            self._keep(run, Verdict.SURVIVED, f"{len(run.tests)} tests pass")
        elif code is None or code < 0:
            self._keep_late(run, code)
        else:
            self._keep(run, Verdict.KILLED, _first_failure(self._log(slot)))

    def _look_at_server(self, slot: int, run: _Running) -> None:
        if (answer := self.servers[slot].answer()) is None:
            return
        code = answer["code"]
        if code == 1:
            del self.running[slot]
            self._keep(run, Verdict.KILLED, answer["failed"])
        elif code is None or code < 0:
            del self.running[slot]
            self._keep_late(run, code)
        else:
            self._start_afresh(slot, run)

    def _keep_late(self, run: _Running, code: int | None) -> None:
        """code: the signal that ended a run over its processor time, None of one that had not used it up."""
        if code is None:
            self._keep(run, Verdict.UNDECIDED, f"less than {run.cpu_s} processor seconds in {PATIENCE} times as long")
        else:
            self._keep(run, Verdict.TIMEOUT, f"{run.cpu_s} processor seconds")

    def _keep(self, run: _Running, verdict: Verdict, by: str) -> None:
        seconds = round(time.monotonic() - run.began, 1)
        result = Result(run.mutant, run.change, verdict, by, seconds)
        self.kept.add(result)
        self.done += 1
        if not result.is_noticed:
            self.survived += 1
            print(f"{run.mutant}: {by}\n  - {run.change[0]}\n  + {run.change[1]}", flush=True)
        if self.done % 20 == 0:
            print(f"{self.done} done, {self.survived} survive", flush=True)


def _first_failure(log: Path) -> str:
    found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", log.read_text(errors="replace"), re.M)
    return found[1] if found else "the code could not be imported"
