"""Find the machine that an image's programs are built for, from their ELF headers while layers stream through.

A config may say amd64 over layers of another machine: a base image pulled for arm64, a COPY of a foreign binary.
Such an image loads, and fails only when it starts. Only recorded programs are judged; where anything is unknown, the
image is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from posixpath import dirname, normpath

ELF_HEAD_BYTES = 20
SCRIPT = 0  # an executable file that is not ELF
X86_64 = 62
_RUNS_HERE = (X86_64, 3)  # 3: 32-bit x86
_MACHINES = {3: "386", 20: "ppc", 21: "ppc64le", 22: "s390x", 40: "arm", 183: "arm64", 243: "riscv64", 258: "loong64"}
_MAX_STEPS = 40
# For one archive, about 40 MB of names; beyond this nothing more is recorded or judged.
_MAX_RECORDS = 200_000
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class RecordBudget:
    """The number of records that an archive's layers may still keep."""

    def __init__(self, most: int = _MAX_RECORDS) -> None:
        self.left = most

    def take(self) -> bool:
        """Use one record; return False if none is left."""
        self.left -= 1
        return self.left >= 0


@dataclass
class Programs:
    """A layer's executables, and the links that may lead to them, by path without a leading slash."""

    budget: RecordBudget
    machines: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def add_file(self, path: bytes, head: bytes) -> None:
        """Record an executable file and its first bytes."""
        if self.budget.take():
            self.machines[_clean(path)] = machine_of(head)

    def add_link(self, path: bytes, target: bytes) -> None:
        """Record a symbolic link; only links in the top folder and in program folders can lead to a program."""
        name = _clean(path)
        if (not dirname(name) or dirname(name).endswith("bin")) and self.budget.take():
            self.links[name] = target.decode(errors="replace")


def machine_of(head: bytes) -> int:
    """Return `e_machine` of an ELF header (System V ABI, chapter 4), SCRIPT for anything else."""
    if len(head) < ELF_HEAD_BYTES or head[:4] != b"\x7fELF":
        return SCRIPT
    return int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")


def foreign_machine(layers: Sequence[Programs], command: Sequence[str], env_path: str, workdir: str) -> tuple[str, str]:
    """Return the program that a container starts and its machine if that is not x86; else ("", "").

    layers: bottom first. command: Entrypoint and Cmd. env_path: the image's PATH, "" for none. A script is judged
    by the image's /bin/sh.
    """
    if not command or any(layer.budget.left < 0 for layer in layers):
        return "", ""
    image = _Image(layers)
    for path in _candidates(command[0], env_path or _DEFAULT_PATH, workdir):
        machine = image.machine(path)
        if machine == SCRIPT:
            path, machine = "/bin/sh", image.machine("/bin/sh")
        if machine is not None:
            is_foreign = machine not in (SCRIPT, *_RUNS_HERE)
            return (path, _MACHINES.get(machine, f"machine {machine}")) if is_foreign else ("", "")
    return "", ""


def _candidates(program: str, env_path: str, workdir: str) -> list[str]:
    if "/" in program:
        return [program if program.startswith("/") else f"{workdir or '/'}/{program}"]
    return [f"{folder}/{program}" for folder in env_path.split(":") if folder.startswith("/")]


class _Image:
    """All layers as one tree: for each path the topmost record counts."""

    def __init__(self, layers: Sequence[Programs]) -> None:
        self._layers = list(reversed(layers))

    def machine(self, path: str) -> int | None:
        """Return the machine of the file at a path, following links; None where it is not recorded."""
        name = _clean(path.encode())
        for _ in range(_MAX_STEPS):
            found = self._step(name)
            if not isinstance(found, str):
                return found
            name = found
        return None

    def _step(self, name: str) -> int | str | None:
        """Return the machine of `name`, or follow a link at `name` or at its first folder."""
        top, _, rest = name.partition("/")
        for layer in self._layers:
            if name in layer.machines:
                return layer.machines[name]
            if name in layer.links:
                return _joined(dirname(name), layer.links[name])
            if rest and top in layer.links:  # /bin of a system that keeps everything in /usr
                return _joined("", f"{layer.links[top]}/{rest}")
        return None


def _joined(folder: str, target: str) -> str:
    return normpath(target if target.startswith("/") else f"/{folder}/{target}").lstrip("/")


def _clean(path: bytes) -> str:
    return normpath("/" + path.decode(errors="replace")).lstrip("/")
