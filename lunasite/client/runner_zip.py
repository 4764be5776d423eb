"""The runner's code as a zip that runs on a participant's machine and needs only Python.

It holds the same files that the workers run, so that a trial at home judges an image as the platform does.
"""

from __future__ import annotations

import functools
import io
import zipfile
from hashlib import sha256
from pathlib import Path

from django.conf import settings

PACKAGES = (
    "submissions/intake/model",
    "submissions/kinds",
    "submissions/runner",
    "submissions/runner/contracts",
    "submissions/runner/engine",
    "submissions/runner/writable",
)
FILES = (
    "lunasite/__init__.py", "lunasite/http/__init__.py", "lunasite/http/strict_json.py", "submissions/__init__.py",
    "submissions/faults.py",
    "submissions/intake/__init__.py", "submissions/intake/image/__init__.py", "submissions/intake/image/errors.py",
    "submissions/intake/tar_block.py", "submissions/text/__init__.py", "submissions/text/printable.py",
)  # fmt: skip
# These modules need docker-py to reach an engine; in the zip, `engine/cli.py` replaces them.
LEFT_OUT = ("submissions/runner/engine/docker.py", "submissions/runner/engine/output_stream.py")
STAND_INS = ("stand_ins/numpy/__init__.py", "stand_ins/numpy/typing.py")
MAIN = "import sys\nfrom submissions.runner.home_run import main\nsys.exit(main())\n"
FIXED_DATE = (2000, 1, 1, 0, 0, 0)


def members() -> dict[str, bytes]:
    """Return the zip's files by their names in the zip."""
    root = Path(settings.BASE_DIR)
    paths = [root / name for name in FILES]
    paths += [path for package in PACKAGES for path in sorted((root / package).glob("*.*")) if path.suffix != ".pyc"]
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    stand_in = (Path(__file__).parent / "numpy_stand_in.py").read_bytes()
    return {name: data for name, data in found.items() if name not in LEFT_OUT} | {
        **dict.fromkeys(STAND_INS, stand_in),
        "__main__.py": MAIN.encode(),
    }


@functools.cache
def runner_zip() -> tuple[bytes, str]:
    """Return the zip and its sha256; the same code always gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(members().items()):
            info = zipfile.ZipInfo(name, FIXED_DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, data)
    return out.getvalue(), sha256(out.getvalue()).hexdigest()
