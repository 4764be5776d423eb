"""Which tests run a line, measured anew each time, and which of them to run for a mutant."""

from __future__ import annotations

import ast
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.mutants.session import Session
from benchmarks.mutants.sites import Mutant

# What a mutant may cost in processor seconds of tests. A mutant that lives through so many counts as a survivor.
MAX_SECONDS = 25
SUITE_CPU_S = 1800
TEST_FOLDERS = ("submissions", "leaderboard", "inference", "lunasite")


@dataclass
class Covering:
    """lines: file → line → tests that ran it. seconds: processor time of each test. failed: tests that do not pass.

    most: the processor seconds of tests that a mutant may cost.
    """

    lines: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    seconds: dict[str, float] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    most: float = MAX_SECONDS

    def tests_for(self, mutant: Mutant, source: str) -> list[str]:
        """Return the tests to run, quickest first; for a line that runs at import, those that use its file."""
        of_file = self.lines.get(mutant.path, {})
        tests = {test for line in statement_lines(source, mutant.line) for test in of_file.get(line, ())}
        if not tests:
            tests = {test for found in of_file.values() for test in found} | self._of_its_folder(mutant.path)
        return self._affordable(tests)

    def _of_its_folder(self, path: str) -> set[str]:
        app, *folders = Path(path).parent.parts
        start = "/".join([app, "tests", *folders[:1]]) + "/"
        return {test for test in self.seconds if test.startswith(start)}

    def _affordable(self, tests: Iterable[str]) -> list[str]:
        chosen, spent = [], 0.0
        for test in sorted(tests, key=lambda test: (self.seconds[test], test)):
            spent += self.seconds[test]
            if spent > self.most and chosen:
                break
            chosen.append(test)
        return chosen


def statement_lines(source: str, line: int) -> range:
    """Return the lines of the innermost statement that holds `line`: of a compound one, its head."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):  # outer statements come before inner ones
        if isinstance(node, ast.stmt):
            head = _head(node)
            found = head if line in head else found
    return found


def _head(statement: ast.stmt) -> range:
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return range(statement.lineno, max(last, statement.lineno) + 1)


class Recorder:
    """Plugin: a coverage context and the seconds of each test, written to `path` at the end."""

    def __init__(self, path: Path, folders: Sequence[str], tree: Path) -> None:
        self.path, self.folders, self.tree = path, folders, tree
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_configure(self) -> None:
        import coverage

        source = [str(self.tree / folder) for folder in self.folders]
        self.coverage = coverage.Coverage(data_file=None, config_file=False, source=source, messages=False)
        self.coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.coverage.switch_context(nodeid)
        self.begun = time.process_time()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = time.process_time() - self.begun
        self.coverage.switch_context("")

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {
            str(Path(file).relative_to(self.tree)): {
                line: [context for context in contexts if context]
                for line, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        self.path.write_text(json.dumps({"lines": lines, "seconds": self.seconds, "failed": self.failed}))


def test_files(tree: Path, folders: Sequence[str]) -> list[str]:
    found = (path for folder in folders for path in (tree / folder).rglob("test_*.py"))
    return sorted(str(path.relative_to(tree)) for path in found)


def measure(trees: Sequence[Path], folders: Sequence[str], work: Path, files: Sequence[str]) -> Covering:
    """Run the test files once, a share of them in each tree, and return what ran what."""
    for old in work.glob("covering-*.json"):
        old.unlink()
    return _run(trees, folders, work, files, "covering")


def measure_newer(trees: Sequence[Path], folders: Sequence[str], work: Path, files: Sequence[str]) -> Covering:
    """Run of the files those that were not measured yet or were written since, and return the old with theirs added."""
    before = max(path.stat().st_mtime for path in work.glob("covering-*.json"))
    known = {test.partition("::")[0] for test in measured(work).seconds}
    newer = [file for file in files if file not in known or (trees[0] / file).stat().st_mtime > before]
    return _run(trees, folders, work, newer, f"covering-{time.time():.0f}")


def _run(trees: Sequence[Path], folders: Sequence[str], work: Path, files: Sequence[str], name: str) -> Covering:
    sessions = []
    for number, tree in enumerate(trees):
        recorder = Recorder(work / f"{name}-{number}.json", folders, tree)
        if share := files[number :: len(trees)]:
            sessions.append(Session(tree, share, work / f"{name}-{number}.log", [recorder], [], SUITE_CPU_S))
    while any(session.result() is None for session in sessions):
        time.sleep(0.2)
    return measured(work)


def measured(work: Path) -> Covering:
    """Return what was measured, of a test that was measured more than once the last."""
    covering = Covering()
    for path in sorted(work.glob("covering-*.json"), key=lambda path: path.stat().st_mtime):
        found = json.loads(path.read_text())
        covering.failed = [test for test in covering.failed if test not in found["seconds"]] + found["failed"]
        covering.seconds |= found["seconds"]
        for file, lines in found["lines"].items():
            for line, tests in lines.items():
                covering.lines[file][int(line)].update(tests)
    for test in covering.failed:
        covering.seconds.pop(test, None)
    for lines in covering.lines.values():
        for tests in lines.values():
            tests.difference_update(covering.failed)
    return covering
