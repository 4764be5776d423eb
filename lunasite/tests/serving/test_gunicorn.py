"""What web processes do when they begin."""

import subprocess
import sys
from pathlib import Path

import pytest

from inference.tests.fake_engine import FakeEngine
from lunasite.serving import gunicorn

ROOT = Path(__file__).resolve().parents[3]


class Engine(FakeEngine):
    is_started = False

    def start(self) -> None:
        self.is_started = True


class Exhausted(FakeEngine):
    def start(self) -> None:
        raise BlockingIOError


def test_a_new_web_process_begins_to_warm_the_models_up(monkeypatch):
    engine = Engine()
    monkeypatch.setattr("inference.model_service.engine", lambda: engine)
    gunicorn.post_worker_init(None)
    assert engine.is_started


def test_a_machine_that_can_start_no_process_still_serves_pages(monkeypatch):
    monkeypatch.setattr("inference.model_service.engine", Exhausted)
    gunicorn.post_worker_init(None)


@pytest.mark.slow
@pytest.mark.parametrize("as_file", [False, True])
def test_log_settings_are_read_as_the_site_reads_them(tmp_path, as_file):
    """From an environment file of Windows each value ends in a carriage return; any setting may lie in a file."""
    variables = {"LOG_LEVEL": "ERROR\r", "LOG_FORMAT": "json\r"}
    if as_file:
        for name, value in variables.items():
            (tmp_path / name).write_text(value)
        variables = {f"{name}_FILE": str(tmp_path / name) for name in variables}
    asks = (
        "from lunasite.serving.gunicorn import logconfig_dict as it; import logging, logging.config as c; "
        "c.dictConfig(it); print(logging.root.level, it['formatters']['structured']['processors'][1])"
    )
    done = subprocess.run([sys.executable, "-c", asks], cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.stdout.startswith("40 "), done.stderr
    assert "JSONRenderer" in done.stdout
