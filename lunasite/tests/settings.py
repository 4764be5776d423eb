"""The site's settings, with a folder of their own for each run of the tests.

pytest-django reads the settings before any conftest.py, so what they take from the environment is set here.
"""

import atexit
import os
import shutil
import tempfile

if "DATA_DIR" not in os.environ:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="lunasite-tests-")
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)
os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 50)
os.environ.setdefault("EVALUATION_LEASE_SECONDS", "5")
if postgres := os.environ.get("LUNASITE_TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = postgres

from lunasite.settings import *  # noqa: F403

# Otherwise whitenoise looks at every static file for each test's client.
WHITENOISE_AUTOREFRESH = True
