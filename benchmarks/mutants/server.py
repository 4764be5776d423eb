"""A pytest that has collected everything and forks for each mutant: no import, no database to make, only the tests.

A change inside a function needs no fresh import: the child swaps the code of the functions that exist. What runs at
import (constants, class bodies, decorators, defaults) cannot be changed so; neither is a mutant that lives through this
taken for a survivor before a fresh process has run the same tests.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import resource
import select
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TextIO

from benchmarks.mutants.session import Session
from benchmarks.mutants.sites import Mutant

SERVER_CPU_S = 100_000
FIRST_TEST = "submissions/tests/phases/test_quota.py::test_a_lone_user_becomes_a_team_of_one"


def runs_in_a_function(source: str, line: int, column: int) -> bool:
    """Tell whether a place is part of a function's body, not of its head or of what runs at import."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            first, last = node.body[0], node.body[-1]
            if (first.lineno, first.col_offset) <= (line, column) <= (last.end_lineno, last.end_col_offset):  # type: ignore[operator]
                return True
    return False


def functions_by_file() -> dict[str, list[FunctionType]]:
    """Return every function there is, decorated ones included, by the file it was written in."""
    found: dict[str, list[FunctionType]] = {}
    for item in gc.get_objects():
        if type(item) is FunctionType:  # isinstance would wake lazy objects
            found.setdefault(item.__code__.co_filename, []).append(item)
    return found


def swap_code(functions: Sequence[FunctionType], file: str, source: str) -> int:
    """Give the functions of a file the code that they have in `source`; return how many were changed."""
    new = {(code.co_qualname, code.co_firstlineno): code for code in _codes(compile(source, file, "exec"))}
    changed = 0
    for function in functions:
        old = function.__code__
        code = new.get((old.co_qualname, old.co_firstlineno))
        if code is not None and len(code.co_freevars) == len(old.co_freevars):
            function.__code__ = code
            changed += 1
    return changed


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


class RunningServer:
    """The other end: a server in a process of its own, asked one thing at a time."""

    def __init__(self, tree: Path, files: Sequence[str], work: Path, name: str) -> None:
        requested, requests = os.pipe()
        answers, answered = os.pipe()
        folder = work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        server = Server(tree, os.fdopen(requested), os.fdopen(answered, "w"), folder)
        self.session = Session(tree, files, work / f"{name}.log", [server], [], SERVER_CPU_S)
        server.requests.close()
        server.answers.close()
        self.requests, self.answers = os.fdopen(requests, "w"), os.fdopen(answers)

    def ask(self, mutant: Mutant, source: str, tests: Sequence[str], cpu_s: int, wall_s: float) -> None:
        requested = {"path": mutant.path, "source": source, "tests": tests, "cpu_s": cpu_s, "wall_s": wall_s}
        self.requests.write(json.dumps(requested) + "\n")
        self.requests.flush()

    def answer(self) -> dict[str, Any] | None:
        """Return {"code", "failed"} once it is there. Raises RuntimeError when the server has died."""
        ready, _, _ = select.select([self.answers], [], [], 0)
        if not ready:
            return None
        if not (line := self.answers.readline()):
            raise RuntimeError(f"the test server died; see {self.session.log}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self.requests.close()
        self.session.kill()


class Server:
    """Plugin: in place of running the tests, answer requests, one JSON a line: which change, which tests."""

    def __init__(self, tree: Path, requests: TextIO, answers: TextIO, work: Path) -> None:
        self.tree, self.requests, self.answers, self.work = tree, requests, answers, work

    def pytest_runtestloop(self, session: Any) -> bool:
        items = {item.nodeid: item for item in session.items}
        self._make_database(items)
        self.functions = functions_by_file()
        gc.freeze()  # what is never looked through is never copied for a child
        for line in self.requests:
            self.answers.write(json.dumps(self._answer(session, items, json.loads(line))) + "\n")
            self.answers.flush()
        return True

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            print(report.nodeid, report.longreprtext, flush=True)

    def _make_database(self, items: dict[str, Any]) -> None:
        """Run a test that needs the database, and keep what it set up for the whole session."""
        item = items.get(FIRST_TEST) or next(iter(items.values()))
        # Of a neighbour far away nothing is set up but what belongs to the session.
        far = next(
            (element for element in items.values() if not item.path.is_relative_to(element.path.parents[1])), None
        )
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=far)
        from django.db import connections

        for connection in connections.all():
            connection.close()

    def _answer(self, session: Any, items: dict[str, Any], requested: dict[str, Any]) -> dict[str, Any]:
        folder = self.work / f"child-{os.getpid()}"
        folder.mkdir()
        pid = os.fork()
        if pid == 0:
            code = 3
            try:
                code = self._child(
                    session, [items[test] for test in requested["tests"] if test in items], requested, folder
                )
            finally:
                os._exit(code)
        code = _wait(pid, requested["wall_s"])
        failed = folder / "failed"
        answer = {"code": code, "failed": failed.read_text() if failed.exists() else ""}
        shutil.rmtree(folder, ignore_errors=True)
        return answer

    def _child(self, session: Any, items: Sequence[Any], requested: dict[str, Any], folder: Path) -> int:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (requested["cpu_s"], requested["cpu_s"] + 1))
        _use_a_copy_of_the_database(folder)
        file = str(self.tree / requested["path"])
        swap_code(self.functions.get(file, ()), file, requested["source"])
        for item, after in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.testsfailed:
                (folder / "failed").write_text(item.nodeid)
                return 1
        return 0


def _use_a_copy_of_the_database(folder: Path) -> None:
    from django.db import connections

    for connection in connections.all():
        made = Path(connection.settings_dict["NAME"])
        if made.is_file():  # else no test of this run needs it
            connection.settings_dict["NAME"] = shutil.copy(made, folder / made.name)


def _wait(pid: int, wall_s: float) -> int | None:
    """Return the exit code, negative for a signal; None when the time was over."""
    end = time.monotonic() + wall_s
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            _kill_group(pid)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    _kill_group(pid)
    os.waitpid(pid, 0)
    return None


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
