"""A command on a database that lacks tables ends in one sentence with its remedy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import OperationalError

from lunasite.database import migrated

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_command_on_a_new_database_says_what_to_run(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "manage.py", "create_token", "robot", "--create"],
        cwd=ROOT, env=environment | {"DATA_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "run manage.py migrate, or start the site once" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db
def test_a_fault_of_a_migrated_database_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(migrated, "waiting_migrations", list)
    assert migrated.why_it_failed(OperationalError("disk I/O error")) == ""


def test_a_database_that_does_not_answer_is_left_as_it_is(monkeypatch):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr(migrated, "waiting_migrations", away)
    assert migrated.why_it_failed(OperationalError("connection refused")) == ""
