"""A short run of `make chaos-outages`: storage away and a hung database lose nothing, on services of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_storage_away_and_a_hung_database_lose_nothing():
    env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DATA_DIR", "SECRET_KEY")}
    faults = ["--only", "S3 away under 30 pending", "--only", "PostgreSQL hung for 35 s"]
    command = [sys.executable, "benchmarks/chaos_outages.py", "--away", "10", *faults]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "| S3 away under 30 pending | 30 | 0 | 0 | 0 |" in done.stdout
