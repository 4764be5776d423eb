"""The client as a participant runs it: a process of its own, against the live site."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from submissions.accounts.tokens import create_token
from submissions.tests.factories import make_member

# Another Python may stand in for a participant's: LUNASITE_CLIENT_PYTHON=python3.8.
PYTHON = os.environ.get("LUNASITE_CLIENT_PYTHON", sys.executable)
CLIENT = Path(__file__).parents[3] / "client" / "lunasite.py"


@pytest.fixture
def member(transactional_db):
    return make_member("ada")


@pytest.fixture
def home(tmp_path):
    """The folders where the client keeps what it keeps."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def lunasite(live_server, member, home):
    """Return a function that runs the client, signed in, and gives its exit code, output and JSON."""
    token = create_token(user=member, name="client")[1]

    def start(*arguments, **environment):
        inherited = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "HOME") if name in os.environ}
        settings = {"LUNASITE_URL": live_server.url, "LUNASITE_TOKEN": token} | home | environment
        command = [PYTHON, "-X", "utf8", str(CLIENT), *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=inherited | settings, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def run(*arguments, **environment):
        with start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=240)
        value = json.loads(out) if "--json" in arguments and out else None
        return SimpleNamespace(code=process.returncode, out=out, err=err, json=value)

    run.start = start
    return run
