"""Web processes hold no engine: nothing they import knows how to speak to one."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
sys.modules["docker"] = None
import django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
import lunasite.wsgi
assert "submissions.runner.engine.docker" not in sys.modules
"""


@pytest.mark.slow
def test_the_site_starts_without_the_engine_client(tmp_path):
    root = Path(__file__).parents[3]
    environment = {"DJANGO_SETTINGS_MODULE": "lunasite.settings", "PATH": "/usr/bin:/bin", "LOAD_MODEL": "0"}
    environment["DATA_DIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=root, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
