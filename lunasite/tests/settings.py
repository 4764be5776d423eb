"""The site's settings, with a folder of their own for each run of the tests.

pytest-django reads the settings before any conftest.py, so what they take from the environment is set here.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "DATA_DIR" not in os.environ:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="lunasite-tests-")
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)
os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 50)
os.environ.setdefault("EVALUATION_LEASE_SECONDS", "5")
if postgres := os.environ.get("LUNASITE_TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = postgres

from lunasite.settings import *  # noqa: F403

# That of the checkout may hold what `make demo` collected.
STATIC_ROOT = Path(os.environ["DATA_DIR"]) / "static"
# Otherwise whitenoise looks at every static file for each test's client.
WHITENOISE_AUTOREFRESH = True

# conftest.py gives every test places of its own. The hasher is the quickest.
STORAGES = {
    **{
        name: {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": Path(os.environ["DATA_DIR"]) / "files" / name},
        }
        for name in ("default", "datasets")
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": ""}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
