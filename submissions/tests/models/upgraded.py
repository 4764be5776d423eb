"""Run a script that migrates a database of its own, in a process of its own."""

import os
import subprocess
import sys

BEGIN = """
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

def migrate(name):
    executor = MigrationExecutor(connection)
    executor.migrate([("submissions", name)])
    return MigrationExecutor(connection).loader.project_state([("submissions", name)]).apps.get_model

"""


def upgraded(script, folder):
    """Return the lines that `script` prints; its `migrate(name)` gives the models as they are after that migration."""
    env = os.environ | {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3"}
    env |= {"DJANGO_SETTINGS_MODULE": "lunasite.tests.settings"}
    env.pop("LUNASITE_TEST_DATABASE_URL", None)
    done = subprocess.run([sys.executable, "-c", BEGIN + script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()
