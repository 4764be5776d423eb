"""A short run of `make chaos` over containers: workers die, evaluations end once, nothing is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_evaluations_outlive_killed_workers():
    command = [sys.executable, "benchmarks/chaos_containers.py", "--kills", "5"]
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DATA_DIR")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
