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
    assert "| S3 away under 30 pending | 30 | 0 | 0 | 0 |" in table_of(
        "S3 away under 30 pending", "PostgreSQL hung for 35 s"
    )


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.engine
@pytest.mark.timeout(600)
def test_an_engine_killed_under_an_image_costs_no_attempt():
    table = table_of("engine killed under a running container")
    assert "| engine killed under a running container | 3 | 0 | 0 | 0 |" in table
    assert "0 attempts counted, 0 containers left" in table


def table_of(*faults: str) -> str:
    """Return what the faults printed. Fails where something was lost, doubled or needed a hand."""
    env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DATA_DIR", "SECRET_KEY")}
    chosen = [part for name in faults for part in ("--only", name)]
    command = [sys.executable, "benchmarks/chaos_outages.py", "--away", "10", *chosen]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout
