"""The test suite itself: each test runs in one pass, and one that ends its interpreter takes no other along."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import chain, combinations
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from conftest import marks_of, may_be_chosen

ROOT = Path(__file__).resolve().parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
APPS = ("inference", "leaderboard", "lunasite", "submissions")
MARKERS = [marker.partition(":")[0] for marker in CONFIG["markers"]]
CRASHES = """
import ctypes, os

def test_before(): pass

def test_that_aborts(): os.abort()

def test_between(): pass

def test_that_hangs_with_the_interpreter_locked():
    lock, mutex = ctypes.PyDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
    lock(mutex), lock(mutex)

def test_after(): pass
"""
WRITES = """
folders = []

def test_that_writes(tmp_path):
    (tmp_path / "image.tar").write_bytes(bytes(1000))
    folders.append(tmp_path)

def test_that_looks(): assert folders and not folders[0].exists()
"""
CASES = """
import pytest

@pytest.fixture
def db(): pass

@pytest.mark.parametrize("case", range(5))
def test_with(db, case): pass

@pytest.mark.parametrize("case", range(2))
def test_few(db, case): pass

@pytest.mark.parametrize("case", range(5))
def test_plain(case): pass
"""
A_CONVOLUTION = "import torch; torch.nn.Conv2d(16, 16, 3)(torch.rand(16, 16, 32, 32))"


def read_suite():
    """Return .ci/test_suite as a module."""
    loader = SourceFileLoader("test_suite", str(ROOT / ".ci" / "test_suite"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    was, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = was
    return module


SUITE = read_suite()


def passes_of(markers: tuple[str, ...]) -> list[str]:
    chosen = [(name, arguments[arguments.index("-m") + 1]) for name, arguments, _ in SUITE.PASSES]
    return [name for name, wanted in chosen if Expression.compile(wanted).evaluate(lambda word, **_: word in markers)]


@pytest.mark.slow
def test_whatever_its_markers_a_test_runs_in_one_pass_and_training_in_two():
    for markers in chain.from_iterable(combinations(MARKERS, count) for count in range(len(MARKERS) + 1)):
        runs_again = "training" in markers and not {"image", "slow"} & set(markers)
        assert len(passes_of(markers)) == 1 + runs_again, markers


@pytest.mark.parametrize(
    ("source", "marks"),
    [
        ("import torch\n\npytestmark = pytest.mark.slow  # loads torch\nX = pytest.mark.engine\n", {"slow"}),
        ("pytestmark = [pytest.mark.django_db, pytest.mark.slow]\n\nY = [\n    1,\n]\n", {"django_db", "slow"}),
        ("pytestmark = [\n    pytest.mark.engine,\n    pytest.mark.slow,\n]\n", {"engine", "slow"}),
        ("@pytest.mark.slow\ndef test_it(): pass\n", set()),
    ],
)
def test_the_marks_of_a_whole_file_are_read_without_importing_it(tmp_path, source, marks):
    (tmp_path / "test_x.py").write_text(source)
    assert marks_of(tmp_path / "test_x.py") == marks


@pytest.mark.slow
def test_a_file_is_passed_over_where_no_further_mark_could_choose_its_tests():
    """Every file's marks × every pass, held to what pytest itself says of each further set of marks."""
    files = {frozenset(marks_of(path) & set(MARKERS)) for app in APPS for path in ROOT.glob(f"{app}/**/test_*.py")}
    assert len(files) > 8
    for _, arguments, _ in SUITE.PASSES:
        wanted = arguments[arguments.index("-m") + 1]
        ours, theirs = ast.parse(wanted, mode="eval").body, Expression.compile(wanted)
        named = [marker for marker in MARKERS if marker in wanted]
        further = list(chain.from_iterable(combinations(named, count) for count in range(len(named) + 1)))
        for marks in files:
            chosen = any(theirs.evaluate(lambda word, **_: word in {*marks, *more}) for more in further)  # noqa: B023
            assert (may_be_chosen(ours, set(marks)) is False) == (not chosen), (wanted, marks)


def collected(folder: Path, wanted: str) -> str:
    """Return what pytest says when it collects a folder with this project's conftest.py."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "conftest", "-p", "no:xdist"]
    config = ["-p", "no:django", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder)]
    own = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, *config, "-m", wanted], capture_output=True, text=True, timeout=280, env=own
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "said"), [("not slow", "1 test collected"), ("slow", "1 error"), ("", "1 error")])
def test_a_file_that_is_left_out_as_a_whole_is_not_imported(tmp_path, wanted, said):
    (tmp_path / "test_left_out.py").write_text("import pytest\npytestmark = pytest.mark.slow\nassert False\n")
    (tmp_path / "test_chosen.py").write_text("def test_it(): pass\n")
    assert said in collected(tmp_path, wanted)


@pytest.mark.slow
def test_three_of_many_cases_with_the_database_are_fast_and_the_others_slow(tmp_path):
    (tmp_path / "test_cases.py").write_text(CASES)
    fast, slow = (
        re.findall(r"^test_cases\.py::(\S+)", collected(tmp_path, marks), re.M) for marks in ("not slow", "slow")
    )
    plain = [f"test_plain[{case}]" for case in range(5)]
    assert fast == ["test_with[0]", "test_with[2]", "test_with[4]", "test_few[0]", "test_few[1]", *plain]
    assert slow == ["test_with[1]", "test_with[3]"]


def test_what_fits_is_marked_as_training():
    fits = re.compile(r"import .*\b(fit_member|fit_linear)\b|^ +(fit_member|fit_linear),|\.backward\(", re.M)
    tests = [path for app in APPS for path in ROOT.glob(f"{app}/**/test_*.py")]
    files = [path for path in tests if path != Path(__file__) and fits.search(path.read_text())]
    assert len(files) >= 2
    for path in files:
        assert "pytest.mark.training" in path.read_text(), path


@pytest.mark.slow
def test_an_abort_and_a_hang_are_two_failures_and_the_others_still_run(tmp_path):
    (tmp_path / "test_crashes.py").write_text(CRASHES)
    for _, arguments, _ in SUITE.PASSES:
        assert arguments[0] == "-n"
    command = [sys.executable, "-m", "pytest", "-q", *SUITE.ISOLATED, "-n", "1", "-p", "no:django"]
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), "-o", "faulthandler_timeout=5"]
    done = subprocess.run([*command, *config, str(tmp_path)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"^2 failed, 3 passed", done.stdout, re.M), done.stdout[-2000:]
    for name in ("test_that_aborts", "test_that_hangs_with_the_interpreter_locked"):
        assert re.search(rf"^FAILED .*::{name}|crashed while running .*::{name}", done.stdout, re.M), name


@pytest.mark.slow
def test_what_a_passed_test_wrote_is_gone_before_the_next(tmp_path):
    (tmp_path / "test_writes.py").write_text(WRITES)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:xdist"]
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    own = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DEBUG_TEMPROOT": str(tmp_path)}
    done = subprocess.run([*command, *config, str(tmp_path)], capture_output=True, text=True, timeout=280, env=own)
    assert "2 passed" in done.stdout, done.stdout[-2000:]


@pytest.mark.slow
def test_the_second_training_pass_has_no_avx_512():
    environments = {name: env for name, _, env in SUITE.PASSES}
    env = {**os.environ, **environments["training without AVX-512"], "ONEDNN_VERBOSE": "1"}
    response = subprocess.run(
        [sys.executable, "-c", A_CONVOLUTION], env=env, capture_output=True, text=True, check=True
    )
    isa = re.search(r"^onednn_verbose.*,cpu,isa:(.*)$", response.stdout, re.M)
    assert isa is not None
    assert "AVX2" in isa[1]
    assert "AVX-512" not in isa[1]
