"""An engine spoken to by its command line: for machines without docker-py, such as a participant's own.

The same protocol as `docker.py`, so that the runners drive an image at home as they do on the platform.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import posixpath
import queue
import re
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from submissions.runner.base import AttemptTaken, ContainerFault, EngineFault
from submissions.runner.engine.cli_options import SECCOMP, create_arguments
from submissions.runner.engine.container_spec import container_options, root_volume_options, volume_options
from submissions.runner.engine.errors import engine_fault, names_the_image, readable, start_fault
from submissions.runner.engine.passwd_check import GO_DIRECTORY, GO_NO_FILE, GO_SYMLINK, SOMETHING, UNREACHABLE
from submissions.runner.engine.responses import container_state, engine_image
from submissions.runner.values import ContainerSpec, ContainerState, EngineImage, OutputVolume

CALL_TIMEOUT_S = 120
MAX_LINKS = 40
LOG_TAIL_BYTES = 64 * 1024
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


class CliError(Exception):
    """The command line ended with an error; its text."""


class CommandLineEngine:
    """An engine of the `docker` command line (or `podman`, which takes the same arguments)."""

    # Its control groups may be those of a virtual machine.
    is_local = False

    def __init__(self, program: str = "docker") -> None:
        self.program = program
        self._attached: dict[str, AttachedLines] = {}
        self._scratch = tempfile.TemporaryDirectory(prefix="lunasite-engine-")

    def close(self) -> None:
        self._scratch.cleanup()

    def twin(self) -> CommandLineEngine:
        return CommandLineEngine(self.program)

    def cpus(self) -> int:
        """Return how many CPUs the engine has; it takes no container that asks for more."""
        try:
            return int(self._run("info", "--format", "{{.NCPU}}"))
        except (CliError, ValueError):
            return 0

    def capacity(self) -> tuple[int, int]:
        """Return CPUs and bytes of memory of the engine's machine; 0 where it does not say."""
        try:
            return self.cpus(), int(self._run("info", "--format", "{{.MemTotal}}"))
        except (CliError, ValueError):
            return self.cpus(), 0

    def image(self, reference: str) -> EngineImage | None:
        try:
            return engine_image(self._json("image", "inspect", reference))
        except CliError as error:
            if _is_missing(error):
                return None
            raise engine_fault(error) from error

    def create(self, spec: ContainerSpec, *, is_untrusted: bool = False) -> str:
        """Create a container and return its id. Raises AttemptTaken, ContainerFault(CONTAINER_START), EngineFault."""
        options = create_arguments(self._options(spec), Path(self._scratch.name))
        try:
            return self._run("create", "--pull=never", *options, spec.image_id, *(spec.command or ())).decode().strip()
        except CliError as error:
            if "is already in use" in str(error):
                raise AttemptTaken("A container of that name exists.", staff_detail=str(error)) from error
            if is_untrusted and names_the_image(str(error), at_create=True):
                raise start_fault(error) from error
            raise engine_fault(error) from error

    def _options(self, spec: ContainerSpec) -> dict[str, Any]:
        """Return the options; our seccomp profile, of x86-64, would end every program of an engine that emulates it."""
        options = container_options(spec)
        if not self.is_x86:
            options["security_opt"] = [option for option in options["security_opt"] if not option.startswith(SECCOMP)]
        return options

    @functools.cached_property
    def is_x86(self) -> bool:
        try:
            return self._run("version", "--format", "{{.Server.Arch}}").decode().strip() in ("amd64", "x86_64", "")
        except CliError as error:
            raise engine_fault(error) from error

    def start(self, container_id: str, *, is_untrusted: bool = False) -> None:
        if container_id in self._attached:
            self._attached[container_id].start([self.program, "start", "--attach", container_id])
            return
        try:
            self._run("start", container_id)
        except CliError as error:
            if is_untrusted and names_the_image(str(error)):
                raise start_fault(error) from error
            raise engine_fault(error) from error

    def stat(self, container_id: str, path: str) -> tuple[int, str]:
        """Return (mode as Go has it, where a link leads in the end); (0, "") where nothing is. Opens no file."""
        mode, target = self._stat(container_id, path)
        for _ in range(MAX_LINKS):
            further, next_target = self._stat(container_id, target) if target else (0, "")
            if not further & GO_SYMLINK:
                return mode, target
            target = next_target
        return UNREACHABLE, ""

    def _stat(self, container_id: str, path: str) -> tuple[int, str]:
        with self._popen("cp", f"{container_id}:{path}", "-") as process:
            assert process.stdout is not None
            try:
                with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                    member = archive.next()
            except tarfile.TarError:
                member = None
            finally:
                process.kill()
        return _go_mode(member, path) if member else (0, "")

    def state(self, container_id: str) -> ContainerState:
        return container_state(self.inspect(container_id)["State"])

    def inspect(self, container_id: str) -> dict[str, Any]:
        try:
            return self._json("container", "inspect", container_id)
        except CliError as error:
            raise engine_fault(error) from error

    def memory(self, container_id: str) -> int:
        """Return the memory in use now, in bytes; 0 for a container that has ended."""
        try:
            text = self._run("stats", "--no-stream", "--format", "{{.MemUsage}}", container_id).decode()
        except CliError:
            return 0
        match = re.match(r"([0-9.]+)([A-Za-z]+)", text.strip())
        return int(float(match[1]) * UNITS.get(match[2], 0)) if match else 0

    def kill(self, container_id: str) -> None:
        # It fails for one that has ended already, which is fine.
        with contextlib.suppress(CliError):
            self._run("kill", container_id)

    def remove(self, container_id: str) -> None:
        try:
            self._run("rm", "--force", "--volumes", container_id)
        except CliError as error:
            if not _is_missing(error):
                raise engine_fault(error) from error

    def logs(self, container_id: str) -> str:
        try:
            done = self._call("logs", "--tail", "2000", container_id, stderr=subprocess.STDOUT)
        except CliError as error:
            raise engine_fault(error) from error
        return readable(done[-LOG_TAIL_BYTES:])

    def run_in(self, container_id: str, command: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            [self.program, "exec", container_id, *command],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=CALL_TIMEOUT_S, check=False,
        )  # fmt: skip
        return done.returncode, readable(done.stdout + done.stderr)

    @contextlib.contextmanager
    def attached(self, container_id: str) -> Iterator[AttachedLines]:
        """Give the standard output of a container as it comes. Attach before start."""
        lines = self._attached[container_id] = AttachedLines()
        try:
            yield lines
        finally:
            del self._attached[container_id]
            lines.close()

    def read_archive(self, container_id: str, path: str, limit_bytes: int) -> tarfile.TarFile | None:
        """Return a folder or file as a tar in memory; None if there is none.

        Raises ContainerFault(OUTPUT_TOO_LARGE) at `limit_bytes`.
        """
        with self._popen("cp", f"{container_id}:{path}", "-") as process:
            assert process.stdout is not None
            held = process.stdout.read(limit_bytes + 1)
            process.kill()
        if len(held) > limit_bytes:
            raise ContainerFault("OUTPUT_TOO_LARGE", f"/output held more than {limit_bytes >> 20} MiB.")
        return tarfile.open(fileobj=io.BytesIO(held), mode="r:") if held else None

    @contextlib.contextmanager
    def open_archive(self, container_id: str, path: str) -> Iterator[IO[bytes] | None]:
        """Give a folder or file of a container as a stream of a tar, None if there is none."""
        with self._popen("cp", f"{container_id}:{path}", "-") as process:
            assert isinstance(process.stdout, io.BufferedReader)
            try:
                yield process.stdout if process.stdout.peek(1) else None
            finally:
                process.kill()

    def write_archive(self, container_id: str, path: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar into a folder of one of our own containers, with the owners its headers name."""
        command = [self.program, "cp", "-", f"{container_id}:{path}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as cp:
            assert cp.stdin is not None
            assert cp.stderr is not None
            with contextlib.suppress(BrokenPipeError):  # it ended early, and says why
                for piece in archive:
                    cp.stdin.write(piece)
                cp.stdin.close()
            response = cp.stderr.read()
        if cp.returncode:
            raise engine_fault(CliError(response.decode("utf-8", "replace").strip()))

    def volume_folder(self, name: str) -> str:
        """Return where a volume lies on the engine's machine."""
        try:
            return self._run("volume", "inspect", "--format", "{{.Mountpoint}}", name).decode().strip()
        except CliError as error:
            raise engine_fault(error) from error

    def create_root_volume(self, name: str, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        """Make the volume in memory that a model's writable folders lie in: programs in it may be run."""
        self._create_volume(name, labels, root_volume_options(size_mib, inodes))

    def create_volume(self, volume: OutputVolume, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        self._create_volume(volume.name, labels, volume_options(size_mib, inodes))

    def _create_volume(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> None:
        arguments = [f"--opt={key}={value}" for key, value in options.items()]
        arguments += [f"--label={key}={value}" for key, value in labels.items()]
        try:
            self._run("volume", "create", *arguments, name)
        except CliError as error:
            raise engine_fault(error) from error

    def remove_volume(self, name: str) -> None:
        with contextlib.suppress(CliError):
            self._run("volume", "rm", "--force", name)

    def _json(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._run(*arguments))[0]
        return found

    def _run(self, *arguments: str) -> bytes:
        return self._call(*arguments, stderr=subprocess.PIPE)

    def _call(self, *arguments: str, stderr: int) -> bytes:
        """Return what a command prints.

        Raises CliError with the tail of its output, EngineFault when there is no such program.
        """
        try:
            done = subprocess.run(
                [self.program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                timeout=CALL_TIMEOUT_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise engine_fault(error) from error
        if done.returncode:
            raise CliError((done.stderr or done.stdout or b"").decode("utf-8", "replace").strip())
        return done.stdout

    def _popen(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [self.program, *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


class AttachedLines:
    """The standard output of a container as lines, read by a thread of its own: no poll on every system."""

    def __init__(self) -> None:
        self.ended = False
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: list[str]) -> None:
        """Start the container and follow it. Raises EngineFault when there is no such program."""
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise engine_fault(error) from error
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def lines(self, wait_s: float) -> list[bytes]:
        """Return the whole lines that came within `wait_s`; at once when there are some."""
        found: list[bytes] = []
        with contextlib.suppress(queue.Empty):
            while not self.ended:
                line = self._queue.get_nowait() if found else self._queue.get(timeout=max(wait_s, 0.001))
                self.ended = line is None
                if line is not None:
                    found.append(line)
        return found

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            self._queue.put(line.rstrip(b"\r\n"))
        self._queue.put(None)


def _is_missing(error: CliError) -> bool:
    return "no such" in str(error).lower()


def _go_mode(member: tarfile.TarInfo, path: str) -> tuple[int, str]:
    if member.issym():
        return GO_SYMLINK, posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
    kind = GO_DIRECTORY if member.isdir() else 0 if member.isfile() else GO_NO_FILE
    return kind | member.mode & 0o777 or SOMETHING, ""


def require_program(program: str) -> None:
    """Raise EngineFault unless the command line is there and reaches an engine."""
    engine = CommandLineEngine(program)
    try:
        engine._run("version", "--format", "{{.Server.Version}}")
    except CliError as error:
        raise EngineFault(f"{program} does not reach an engine: {error}") from error
    finally:
        engine.close()
