"""The runner's code as a folder of the store, so that a node needs only Python: no site, no packages.

The same files that workers with an engine of their own run. numpy is named in annotations only; a stand-in has the
names.
"""

from __future__ import annotations

import secrets
import shutil
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("submissions/kinds", "submissions/runner")
FILES = (
    "lunasite/__init__.py", "lunasite/http/__init__.py", "lunasite/http/strict_json.py", "submissions/__init__.py",
    "submissions/faults.py", "submissions/text/__init__.py", "submissions/text/printable.py",
)  # fmt: skip
# These need docker-py; in a job `runc.py` stands in their place.
LEFT_OUT = ("engine/docker.py", "engine/podman.py", "engine/output_stream.py")
STAND_IN = "lunasite/client/numpy_stand_in.py"
STAND_INS = ("stand_ins/numpy/__init__.py", "stand_ins/numpy/typing.py")


def members() -> dict[str, bytes]:
    """Return the files by their names below the folder."""
    paths = [ROOT / name for name in FILES]
    paths += [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    found = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in paths}
    kept = {name: data for name, data in found.items() if not name.endswith(LEFT_OUT)}
    return kept | dict.fromkeys(STAND_INS, (ROOT / STAND_IN).read_bytes())


def put_program(store: Path) -> Path:
    """Lay the program out, where it is not yet, and return its folder, whose name is its digest."""
    files = members()
    digest = sha256(b"".join(name.encode() + b"\0" + data + b"\0" for name, data in sorted(files.items()))).hexdigest()
    target = store / "programs" / digest[:24]
    if target.is_dir():
        return target
    part = target.with_name(f".part-{secrets.token_hex(6)}")
    for name, data in files.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(data)
    for path in (part, *part.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    try:
        part.rename(target)
    except OSError:  # another worker was faster
        shutil.rmtree(part)
    return target
