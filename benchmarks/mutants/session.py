"""One run of pytest in a process of its own, forked from one that has imported what is not ours."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# What no service is needed for, the slow tests too: a change may be noticed by them alone.
ALONE = "not (engine or registry or s3 or browser or postgres or realdata or training or image or deploy)"
OPTIONS = ["-q", "--nomigrations", "--no-header", "-p", "no:xdist", "-m", ALONE]
# The suite's own limit on a test is one of the clock, which a busy machine can make.
OPTIONS += ["-o", "timeout=1200"]
# What takes long to import and is not ours; Django's own parts that read settings are left to each run.
SHARED = (
    "numpy", "scipy.stats", "scipy.ndimage", "sklearn.metrics", "sklearn.linear_model", "torch", "PIL.Image",
    "SimpleITK", "hypothesis.strategies", "schemathesis", "docker", "boto3", "requests", "django.db.models",
    "django.test", "pytest_django.plugin", "pytest_timeout", "coverage", "zstandard", "msgspec", "matplotlib",
)  # fmt: skip
MAX_FILE_BYTES = 2**31


def import_shared() -> None:
    for name in SHARED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # a run that needs it says so itself


class Session:
    """A running pytest. cpu_s: the processor time it may take, which does not depend on what else the machine does."""

    def __init__(
        self, tree: Path, files: Sequence[str], log: Path, plugins: Sequence[Any], options: Sequence[str], cpu_s: int
    ) -> None:
        self.log, self.started = log, time.monotonic()
        self.code: int | None = None
        self.data_dir = Path(tempfile.mkdtemp(prefix="mutant-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.pid = os.fork()
        if self.pid == 0:
            _exit_with(lambda: _run(tree, log, self.data_dir, cpu_s, [*OPTIONS, *options, *files], plugins))

    def result(self) -> int | None:
        """Return pytest's exit code once it is there; a signal's number, negative, where one ended the run."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                self._clean()
        return self.code

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def kill(self) -> None:
        os.killpg(self.pid, signal.SIGKILL)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._clean()

    def _clean(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # what the tests left behind
        shutil.rmtree(self.data_dir, ignore_errors=True)


def _exit_with(work: Callable[[], int]) -> None:
    code = 3
    try:
        code = work()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(tree: Path, log: Path, data_dir: Path, cpu_s: int, arguments: list[str], plugins: Sequence[Any]) -> int:
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ |= _environment(data_dir)
    os.chdir(tree)
    sys.path[:] = [str(tree), *(entry for entry in sys.path if entry not in ("", str(Path.cwd())))]
    import pytest
    from hypothesis import Phase, settings

    # A failing example is enough; the smallest one is not looked for.
    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None, deadline=None)
    settings.load_profile("mutants")
    return int(pytest.main(arguments, plugins=list(plugins)))


def _environment(data_dir: Path) -> Mapping[str, str]:
    return {
        "DATA_DIR": str(data_dir),
        "TMPDIR": str(data_dir),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "LUNASITE_TEST_DATABASE_URL": "",
        "DATABASE_URL": f"sqlite:///{data_dir}/lunasite.sqlite3",
    }


class Chosen:
    """Plugin: keep the chosen tests only, in their order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.place = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid in self.place]
        items.sort(key=lambda item: self.place[item.nodeid])
