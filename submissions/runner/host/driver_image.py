"""Build the driver image from this machine's own Python: no registry, no network, no base image.

The image holds the interpreter, the modules the driver imports, the shared libraries those need, and
the driver. The same Python and driver always give the same bytes, hence the same image ID.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

DRIVER_DIR = Path(__file__).parents[1] / "driver"
PYTHON_AT = "usr/bin/python3"
ENTRY = "import sys\nsys.path.insert(0, '/app')\nfrom driver.main import main\nsys.exit(main(sys.argv[1:]))\n"
COMMAND = ["/usr/bin/python3", "-I", "-S", "-B", "-u", "/app/run.py"]
COMPILE = """
import json, sys
from py_compile import PycInvalidationMode, compile
for source, target, name in json.load(sys.stdin):
    compile(source, target, name, doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
"""
# Codecs and what else the interpreter loads before or without an import statement.
ALWAYS = (
    "encodings",
    "encodings.aliases",
    "encodings.utf_8",
    "encodings.ascii",
    "encodings.latin_1",
    "encodings.idna",
    "ctypes",
)


@dataclass(frozen=True)
class DriverImage:
    """An image archive as `docker save` writes it, without a tag, and the ID it loads under."""

    archive: bytes
    image_id: str


def driver_image() -> DriverImage:
    """Return the driver image of this machine's Python and this version of the driver."""
    layer = driver_rootfs()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": "65534:65534",
            "Entrypoint": COMMAND,
            "Env": ["PYTHONHOME=/usr"],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "lunasite driver"}],
    }
    config_bytes = json.dumps(config, sort_keys=True).encode()
    digest = sha256(config_bytes).hexdigest()
    manifest = [{"Config": f"{digest}.json", "RepoTags": None, "Layers": ["layer.tar"]}]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        _add(archive, f"{digest}.json", config_bytes, 0o644)
        _add(archive, "layer.tar", layer, 0o644)
        _add(archive, "manifest.json", json.dumps(manifest).encode(), 0o644)
    return DriverImage(out.getvalue(), f"sha256:{digest}")


def driver_rootfs() -> bytes:
    """Return the tar of the image's root file system."""
    files = _python_files()
    libraries = _libraries([Path(sys.executable).resolve(), *(path for path in files.values() if ".so" in path.name)])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for folder in ("app", "app/driver", "cases", "plan", "output", "tmp", "usr", "usr/bin", "usr/lib"):
            _add_folder(archive, folder)
        for name, path in sorted(libraries.items()):
            _add(archive, name.lstrip("/"), path.read_bytes(), 0o755)
        _add(archive, PYTHON_AT, Path(sys.executable).resolve().read_bytes(), 0o755)
        modules = {f"{_library_folder()}/{name}": path for name, path in files.items()}
        modules |= {f"app/driver/{path.name}": path for path in DRIVER_DIR.glob("*.py")}
        _add_modules(archive, modules)
        _add(archive, "app/run.py", ENTRY.encode(), 0o644)
    return out.getvalue()


def _library_folder() -> str:
    return f"usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}"


def _python_files() -> dict[str, Path]:
    """Return the standard library's files the driver loads, by their place below its folder."""
    wanted = ", ".join(ALWAYS)
    code = (
        f"import sys; sys.path.insert(0, {str(DRIVER_DIR.parent)!r}); import {wanted}, driver.main, json; "
        "json.dump({name: getattr(m, '__file__', None) for name, m in sys.modules.items()}, sys.stdout)"
    )
    output = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code], check=True, capture_output=True, timeout=60
    ).stdout
    modules: dict[str, str | None] = json.loads(output)
    home = Path(os.__file__).parent.resolve()
    loaded = [Path(file).resolve() for file in modules.values() if file]
    # By their names too: a frozen module tells no file, and Python 3.13's collections.abc that of another.
    stems = [home / name.replace(".", "/") for name in modules]
    named = [path for stem in stems for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py")]
    found = [path for path in loaded if path.is_relative_to(home)] + [path for path in named if path.is_file()]
    return {str(path.relative_to(home)): path for path in found}


def _libraries(binaries: list[Path]) -> dict[str, Path]:
    """Return the shared libraries the binaries need, by the path they are looked up at."""
    found: dict[str, Path] = {}
    for binary in binaries:
        listed = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, timeout=60).stdout
        for match in re.finditer(r"(?:=> )?(/\S+) \(0x", listed):
            found[match.group(1)] = Path(match.group(1)).resolve()
    return found


def _compiled(modules: dict[str, Path]) -> dict[str, bytes]:
    """Return the bytecode of the Python sources among `modules`, by their place in the image.

    Compiled in a fresh process: what a long-lived one has interned already shows in the bytes.
    """
    sources = {name: path for name, path in sorted(modules.items()) if path.suffix == ".py"}
    with tempfile.TemporaryDirectory() as scratch:
        jobs = [(str(path), f"{scratch}/{number}", f"/{name}") for number, (name, path) in enumerate(sources.items())]
        subprocess.run(
            [sys.executable, "-P", "-s", "-S", "-B", "-c", COMPILE],
            input=json.dumps(jobs).encode(),
            env={"PYTHONHASHSEED": "0"},
            cwd=scratch,
            check=True,
            timeout=60,
        )
        return {name: Path(scratch, str(number)).read_bytes() for number, name in enumerate(sources)}


def _add_modules(archive: tarfile.TarFile, modules: dict[str, Path]) -> None:
    """Add modules; Python sources with their bytecode, so that a read-only image starts fast."""
    compiled = _compiled(modules)
    for name, path in sorted(modules.items()):
        _add(archive, name, path.read_bytes(), 0o755 if ".so" in path.name else 0o644)
        if name in compiled:
            folder, _, file_name = name.rpartition("/")
            cached = f"{folder}/__pycache__/{file_name[:-3]}.{sys.implementation.cache_tag}.pyc"
            _add(archive, cached, compiled[name], 0o644)


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(member)
