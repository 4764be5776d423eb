"""The driver image holds all that its Python needs, whichever Python of this machine the worker is."""

import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from submissions.runner.host import driver_image

FOUND = filter(None, (shutil.which(f"python3.{minor}") for minor in range(11, 16)))
# The worker's own, and what else runs here from the oldest that the site takes to the newest known.
PYTHONS = [
    sys.executable,
    *(path for path in FOUND if not subprocess.run([path, "-c", ""], capture_output=True).returncode),
]
WRITE_ROOTFS = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("driver_image", sys.argv[1])
module = sys.modules["driver_image"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.stdout.buffer.write(module.driver_rootfs())
"""
MODULES = """
import sys
sys.path.insert(0, sys.argv[1])
import driver.main, json, ctypes, encodings.idna
files = [getattr(module, "__file__", None) for module in sys.modules.values()]
print(json.dumps([file for file in files if file]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).name)
def test_the_driver_loads_nothing_but_what_its_image_holds(python, tmp_path):
    written = subprocess.run([python, "-c", WRITE_ROOTFS, driver_image.__file__], capture_output=True, timeout=120)
    assert written.returncode == 0, written.stderr.decode()
    with tarfile.open(fileobj=io.BytesIO(written.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    inside = [str(tmp_path / driver_image.PYTHON_AT), "-I", "-S", "-B", "-c", MODULES, str(tmp_path / "app")]
    loaded = subprocess.run(inside, capture_output=True, text=True, timeout=60)
    assert loaded.returncode == 0, loaded.stderr
    assert [file for file in json.loads(loaded.stdout) if not file.startswith(str(tmp_path))] == []
