"""`make mutants`: what it changes, what it leaves out, and which tests it runs."""

import ast
import json
import os
import subprocess

import pytest

from benchmarks.mutants.campaign import Campaign, _Running
from benchmarks.mutants.covering import Covering, measured, statement_lines
from benchmarks.mutants.kept import Kept, Result, Verdict, still_there
from benchmarks.mutants.operators import operators
from benchmarks.mutants.report import as_text
from benchmarks.mutants.server import functions_by_file, runs_in_a_function, swap_code
from benchmarks.mutants.sites import Mutant, change_of, matters, mutated, places_of, sample
from benchmarks.mutants.trees import Tree

SOURCE = '''from __future__ import annotations

LEVEL = 0.95


def finish(rows: Rows | None, n: int = 3) -> int | None:
    """Say nothing."""
    assert n > 0
    log.info("finished", left=n - 1)
    rows.filter(pk=1, attempt=n).update(status="done")
    if n > 2:
        save(rows)
    return n - 1
'''


def changes(source):
    """Return the changed lines of every mutant that matters."""
    before = source.splitlines()
    mutants = [mutant for place in places_of("app/x.py", source) for mutant in place if matters(mutant, source)]
    texts = [mutated(mutant, source).splitlines() for mutant in mutants]
    return [next(new.strip() for old, new in zip(before, text, strict=True) if old != new) for text in texts]


@pytest.mark.parametrize("operator", operators(), ids=lambda operator: type(operator).__name__)
def test_every_operator_does_what_it_says(operator):
    name = type(operator).__name__
    for example in (item for item in operator.examples() if item.pre_mutation_code != item.post_mutation_code):
        source = example.pre_mutation_code
        found = [item for place in places_of("app/x.py", source) for item in place if item.operator == name]
        after = mutated(found[example.occurrence], source)
        assert after.replace(" ", "") == example.post_mutation_code.replace(" ", "")


def test_conditions_effects_numbers_and_comparisons_are_changed():
    found = {line.replace(" ", "") for line in changes(SOURCE)}
    assert {
        "LEVEL=1.95",
        'rows.filter(attempt=n).update(status="done")',
        'rows.filter(pk=1,).update(status="done")',
        "None",
        "ifn>=2:",
        "ifnotn>2:",
        "returnn+1",
    } <= found


@pytest.mark.slow
def test_annotations_assertions_and_log_lines_are_left_alone():
    assert not [line for line in changes(SOURCE) if line.startswith(("assert", "log."))]
    assert not [line for line in changes(SOURCE) if "Rows &" in line or "int &" in line]


@pytest.mark.parametrize(
    "code", ["zip(a, b, strict=True)", "CharField(max_length=80)", "@dataclass(frozen=True)\nclass A: ..."]
)
def test_what_is_only_stated_is_left_alone(code):
    assert [line for line in changes(code) if "(" in line] == []


def test_a_sample_is_its_seed(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app/x.py").write_text(SOURCE)
    first, again, other = (sample(tmp_path, ["app/x.py"], 4, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len({(mutant.line, mutant.column) for mutant in first}) == 4


def test_every_change_can_be_parsed():
    for place in places_of("app/x.py", SOURCE):
        for mutant in place:
            ast.parse(mutated(mutant, SOURCE))


@pytest.mark.parametrize(
    ("line", "lines"), [(1, [1]), (2, [2, 3]), (3, [2, 3]), (4, [4, 5, 6]), (6, [4, 5, 6]), (8, [8])]
)
def test_a_statement_is_found_by_any_of_its_lines(line, lines):
    source = "def f():\n    if (a and\n            b):\n        g(\n            1,\n        )\n\n    return 2\n"
    assert list(statement_lines(source, line)) == lines


def test_the_quickest_tests_that_run_the_line_come_first():
    covering = Covering(seconds={"t::slow": 9.0, "t::quick": 0.1, "t::other": 0.2})
    covering.lines["app/x.py"][2] = {"t::slow", "t::quick"}
    covering.lines["app/x.py"][9] = {"t::other"}
    source = "x = 1\ny = 2\n"
    assert covering.tests_for(Mutant("app/x.py", 2, 4, "NumberReplacer", 2), source) == ["t::quick", "t::slow"]
    assert covering.tests_for(Mutant("app/x.py", 1, 4, "NumberReplacer", 0), source) == [
        "t::quick",
        "t::other",
        "t::slow",
    ]


def test_a_tree_holds_a_change_and_takes_it_back(tmp_path):
    root, copy = tmp_path / "root", tmp_path / "copy"
    root.mkdir()
    (root / "x.py").write_text("X = 1\n")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    tree, file = Tree(root, copy), copy / "x.py"
    at, times = file.stat().st_mtime, set()
    for _ in "12":
        tree.change("x.py", "X = 2\n")
        times.add(int(file.stat().st_mtime))
        tree.restore()
    assert (file.read_text(), file.stat().st_mtime) == ("X = 1\n", at)
    assert len(times | {int(at)}) == 3  # else Python would take the byte code of another change
    assert (root / "x.py").read_text() == "X = 1\n"


@pytest.mark.parametrize(
    ("line", "column", "inside"),
    [(1, 4, False), (3, 6, False), (4, 0, False), (5, 8, True), (6, 12, True), (8, 4, False)],
)
def test_only_the_body_of_a_function_can_be_swapped(line, column, inside):
    source = "LEVEL = 1\n\n@wraps(2)\ndef f(n=3):\n    a = 4\n    return a + 5\n\nclass A: b = 6\n"
    assert runs_in_a_function(source, line, column) is inside


@pytest.mark.slow
def test_code_is_swapped_in_decorated_functions_and_in_those_inside_others(tmp_path):
    source = """
import functools

def outer(n):
    def inner(x):
        return x + n
    return inner

@functools.lru_cache
def cached():
    return 1

class A:
    @property
    def value(self):
        return 1
"""
    file = tmp_path / "swapped.py"
    space = {"__name__": "swapped"}
    exec(compile(source, str(file), "exec"), space)
    inner, a = space["outer"](10), space["A"]()
    changed = source.replace("return 1", "return 2").replace("x + n", "x - n")
    swap_code(functions_by_file()[str(file)], str(file), changed)
    assert (inner(1), space["outer"](1)(3), space["cached"](), a.value) == (-9, 2, 2, 2)


def result(line, verdict, change=("x", "y")):
    return Result(Mutant("app/x.py", line, 0, "NumberReplacer", 0), change, verdict, "2 tests pass", 1.5)


def test_results_outlive_a_run_that_was_ended_and_the_last_of_a_change_counts(tmp_path):
    kept = Kept(tmp_path / "results.jsonl")
    assert kept.all() == {}
    for each in (result(1, Verdict.SURVIVED), result(2, Verdict.TIMEOUT), result(1, Verdict.KILLED)):
        kept.add(each)
    assert list(Kept(kept.path).all().values()) == [result(1, Verdict.KILLED), result(2, Verdict.TIMEOUT)]
    kept.forget()
    assert kept.all() == {}


def test_a_survivor_is_tried_again_only_where_the_same_change_can_be_made(tmp_path):
    (tmp_path / "app").mkdir()
    file = tmp_path / "app/x.py"
    file.write_text("LEVEL = 1\n")
    mutant = Mutant("app/x.py", 1, 8, "NumberReplacer", 0)
    survivor = Result(mutant, change_of("LEVEL = 1\n", mutated(mutant, "LEVEL = 1\n")), Verdict.SURVIVED, "", 1.0)
    assert survivor.change[0] == "LEVEL = 1"
    assert still_there(tmp_path, survivor)
    for other in ("LEVEL = 2\n", "LEVEL = None\n", "def f(:\n"):
        file.write_text(other)
        assert not still_there(tmp_path, survivor)


def test_changes_ended_by_the_limit_of_time_are_counted_apart():
    verdicts = (Verdict.SURVIVED, Verdict.TIMEOUT, Verdict.KILLED, Verdict.UNDECIDED)
    results = [result(line, verdict) for line, verdict in enumerate(verdicts)]
    last = next(line for line in as_text(results, 7, 60.0).splitlines() if line.startswith("all"))
    assert " ".join(last.split()) == "all 2 of 4 killed, 50.0 %, 1 of them by the limit of time"


def test_a_run_that_got_no_processor_is_not_counted_as_noticed(tmp_path):
    """On a busy machine the clock says nothing about a change; a signal says that its processor time was used up."""
    run = _Running(Mutant("app/x.py", 1, 0, "NumberReplacer", 0), "", ("x", "y"), [], 40, 0.0)
    for code, verdict in ((None, Verdict.UNDECIDED), (-24, Verdict.TIMEOUT)):
        kept = Kept(tmp_path / "results.jsonl")
        Campaign([], [], Covering(), tmp_path, kept)._keep_late(run, code)
        assert [(entry.verdict, entry.is_noticed) for entry in kept.all().values()] == [(verdict, code is not None)]


def test_of_a_test_measured_twice_the_last_counts(tmp_path):
    def write(name, at, failed):
        path = tmp_path / f"covering-{name}.json"
        path.write_text(json.dumps({"lines": {"x.py": {"1": ["t::a"]}}, "seconds": {"t::a": at}, "failed": failed}))
        os.utime(path, (at, at))

    write("late", 200, [])
    write("early", 100, ["t::a"])
    covering = measured(tmp_path)
    assert (covering.seconds, covering.failed, covering.lines["x.py"][1]) == ({"t::a": 200}, [], {"t::a"})
