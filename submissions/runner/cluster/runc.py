"""The engine inside a job: containers by runc in user namespaces of the job's own, with nothing kept beyond the job.

The process that uses it is root of a user namespace, with a mount, process and network namespace of its own (`job.py`),
and has no rights on the machine. An image is a folder of the shared store that was unpacked once (`unpack.py`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from submissions.runner.base import AttemptTaken, ContainerFault, EngineFault
from submissions.runner.cluster.process import LineQueue, Log, Output
from submissions.runner.cluster.rooted import ID_SHIFT, below, go_stat, unpack_tar, write_tar
from submissions.runner.cluster.runc_spec import IDS, INIT_AT, runtime_spec, static_init
from submissions.runner.cluster.store import bundle_of, image_config, known_image
from submissions.runner.engine.container_spec import root_volume_options, volume_options
from submissions.runner.engine.errors import engine_fault, names_the_image, readable, start_fault
from submissions.runner.memory_group import NO_GROUP, MemoryGroup, group_of
from submissions.runner.values import (
    ContainerSpec,
    ContainerState,
    EngineFacts,
    EngineImage,
    OutputVolume,
    OwnContainer,
)

CALL_TIMEOUT_S = 60
LOG_TAIL_BYTES = 64 << 10
NO_GPU = "Slurm gives no GPU here: run phases with a GPU on a Docker engine."
NO_ROOT = "The root of a container is bounded by its folders here."
TOO_HIGH_ID = f"Its USER has a number above {IDS - 1:,}, which cannot be given here."
# A mount point in the image's root, never content: the root is read-only for the container.
LAYER_OPTIONS = "size=16m,nr_inodes=4096,mode=0755"
OUR_FILES = {
    "resolv.conf": "nameserver 127.0.0.1\nsearch .\n",
    "hosts": "127.0.0.1\tlocalhost model\n::1\tlocalhost ip6-localhost ip6-loopback\n",
    "hostname": "model\n",
}


@dataclass
class _Container:
    """One container from its creation to its removal."""

    name: str
    spec: ContainerSpec
    folder: Path
    root: Path
    log: Log = field(default_factory=Log)
    lines: LineQueue | None = None
    outputs: list[Output] = field(default_factory=list)
    pid: int = 0
    exit_code: int | None = None
    group: MemoryGroup = NO_GROUP
    kills_before: int = 0
    kills_after: int | None = None


class RuncEngine:
    """Containers of this job. Everything it makes lies in `work`, a folder in memory of the job's own."""

    is_local = True

    def __init__(self, store: Path, work: Path, group: MemoryGroup) -> None:
        self._store, self._work, self._group = store, work, group
        self._containers: dict[str, _Container] = {}
        self._volumes: dict[str, tuple[Path, Mapping[str, str]]] = {}
        self._files = {name: work / name for name in OUR_FILES}
        for name, text in OUR_FILES.items():
            self._files[name].write_text(text)
            self._files[name].chmod(0o644)

    def close(self) -> None:
        """Keep all: the job's end takes it away."""

    def twin(self) -> RuncEngine:
        return self

    def facts(self) -> EngineFacts:
        """Return what a job has: its share of the node, and the versions there."""
        version = _called("runc", "--version").splitlines()[0].removeprefix("runc version ")
        return EngineFacts(
            name="runc in a job", engine_id="", version=os.environ.get("SLURM_VERSION", ""), root=str(self._store),
            cpus=len(os.sched_getaffinity(0)), memory_bytes=self._group.limit_bytes(), storage_driver="folders",
            runc=version, kernel=os.uname().release, runtimes=("runc",),
        )  # fmt: skip

    def capacity(self) -> tuple[int, int]:
        """Return the CPUs of the job; no memory, since the job has that of one model: one runs at a time."""
        return len(os.sched_getaffinity(0)), 0

    # Images: a job reads those of the store and changes none

    def image(self, reference: str) -> EngineImage | None:
        return known_image(self._store, reference)

    def load(self, archive: Iterable[bytes]) -> str:
        raise EngineFault("A job loads no image.")

    def tags(self, repository: str) -> dict[str, list[str]]:
        return {}

    def tag(self, image_id: str, repository: str, version: str) -> None:
        raise EngineFault("A job tags no image.")

    def remove_image(self, reference: str) -> bool:
        return False

    # Containers

    def create(self, spec: ContainerSpec, *, is_untrusted: bool = False) -> str:
        """Prepare a container; runc hears of it at its start. Raises AttemptTaken, EngineFault."""
        if spec.gpu or spec.root_mib is not None:
            raise EngineFault(NO_GPU if spec.gpu else NO_ROOT)
        if is_untrusted and max(map(int, spec.user.split(":"))) >= IDS:
            raise ContainerFault("CONTAINER_START", TOO_HIGH_ID)
        if any(container.name == spec.name for container in self._containers.values()):
            raise AttemptTaken("A container of that name exists.", staff_detail=spec.name)
        folder = self._work / f"container-{secrets.token_hex(6)}"
        container = _Container(spec.name, spec, folder, folder / "layer" / "root")
        folder.mkdir()
        try:
            self._lay_out(container)
            config = image_config(self._store, spec.image_id)
            files = {f"/etc/{name}": path for name, path in self._files.items()}
            files |= {INIT_AT: static_init(), "/sys": self._work / "sys"}
            sources = {name: place for name, (place, _) in self._volumes.items()}
            text = json.dumps(runtime_spec(spec, config, container.root, files, sources))
            (folder / "config.json").write_text(text)
        except (OSError, KeyError, ValueError) as error:
            self._taken_down(container)
            raise engine_fault(error) from error
        except EngineFault:
            self._taken_down(container)
            raise
        self._containers[folder.name] = container
        return folder.name

    def _lay_out(self, container: _Container) -> None:
        """Lay an empty layer in memory over the image's files, for the points that runc mounts at."""
        layer = container.folder / "layer"
        layer.mkdir()
        _called("mount", "-t", "tmpfs", "-o", LAYER_OPTIONS, "tmpfs", str(layer))
        for name in ("upper", "work", "root"):
            (layer / name).mkdir()
        lower = bundle_of(self._store, container.spec.image_id) / "rootfs"
        shutil.copystat(lower, layer / "upper")
        os.chown(layer / "upper", lower.stat().st_uid, lower.stat().st_gid)
        options = f"lowerdir={lower},upperdir={layer}/upper,workdir={layer}/work"
        _called("mount", "-t", "overlay", "-o", options, "overlay", str(container.root))

    def stat(self, container_id: str, path: str) -> tuple[int, str]:
        return go_stat(self._containers[container_id].root, path)

    def start(self, container_id: str, *, is_untrusted: bool = False) -> None:
        """Start it. Raises ContainerFault(CONTAINER_START) when their image's command cannot be run."""
        container = self._containers[container_id]
        log = container.folder / "runc.log"
        standard, errors = self._pipes(container)
        common = ["runc", "--root", str(self._work / "runc"), "--log", str(log)]
        create = [*common, "create", "--bundle", str(container.folder), "--pid-file", str(container.folder / "pid")]
        try:
            done = subprocess.run(
                [*create, container.folder.name], stdin=subprocess.DEVNULL, stdout=standard, stderr=errors,
                timeout=CALL_TIMEOUT_S, check=False, cwd=container.folder,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise engine_fault(error) from error
        finally:
            for descriptor in {standard, errors}:
                os.close(descriptor)
        if done.returncode:
            raise self._start_fault(container, log, is_untrusted)
        container.pid = int((container.folder / "pid").read_text())
        self._bound_memory(container)
        threading.Thread(target=self._wait, args=(container,), daemon=True).start()
        try:
            _called(*common, "start", container.folder.name)
        except EngineFault as fault:
            raise self._start_fault(container, log, is_untrusted) from fault

    def _bound_memory(self, container: _Container) -> None:
        """Bound a container's own group, where runc could make one; else the job's own bound is the only one."""
        container.group = group_of(container.pid)
        if container.group.folder != self._group.folder:
            container.group.set_limit(container.spec.memory_bytes)
        container.kills_before = container.group.kills()

    def _pipes(self, container: _Container) -> tuple[int, int]:
        """Return where standard output and errors go; in one log unless somebody is attached."""
        reading, standard = os.pipe()
        if container.lines is None:
            container.outputs = [Output(reading, container.log.add, lambda: None)]
            return standard, standard
        container.outputs = [Output(reading, container.lines.add, container.lines.end)]
        reading, errors = os.pipe()
        container.outputs.append(Output(reading, container.log.add, lambda: None))
        return standard, errors

    def _start_fault(self, container: _Container, log: Path, is_untrusted: bool) -> Exception:
        output = (log.read_text(errors="replace") if log.is_file() else "") + self.logs(container.folder.name)
        if is_untrusted and names_the_image(output):
            return start_fault(RuntimeError(output))
        return engine_fault(RuntimeError(output))

    def _wait(self, container: _Container) -> None:
        """Wait for the first process of a container: orphaned by runc, it is a child of this namespace's first."""
        with contextlib.suppress(ChildProcessError):
            _, status = os.waitpid(container.pid, 0)
            for output in container.outputs:
                output.wait(2)
            container.kills_after = container.group.kills()
            code = os.waitstatus_to_exitcode(status)
            container.exit_code = code if code >= 0 else 128 - code
            return
        container.exit_code = 255

    def state(self, container_id: str) -> ContainerState:
        container = self._containers[container_id]
        running = container.exit_code is None
        after = container.group.kills() if container.kills_after is None else container.kills_after
        return ContainerState(running, container.exit_code or 0, bool(container.pid) and after > container.kills_before)

    def inspect(self, container_id: str) -> dict[str, Any]:
        container = self._containers[container_id]
        return {"Id": container_id, "State": {"Pid": container.pid, "Running": container.exit_code is None}}

    def memory(self, container_id: str) -> int:
        container = self._containers.get(container_id)
        return container.group.used_bytes() if container else 0

    def kill(self, container_id: str) -> None:
        """End it at once: with the first process of its namespace all others end."""
        container = self._containers.get(container_id)
        if container is None or not container.pid or container.exit_code is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(container.pid, 9)
        give_up = time.monotonic() + CALL_TIMEOUT_S
        while container.exit_code is None and time.monotonic() < give_up:
            time.sleep(0.01)

    def remove(self, container_id: str) -> None:
        """Remove it; one that is gone already is fine."""
        container = self._containers.get(container_id)
        if container is None:
            return
        self.kill(container_id)
        del self._containers[container_id]
        if container.pid:
            with contextlib.suppress(EngineFault):
                _called("runc", "--root", str(self._work / "runc"), "delete", "--force", container.folder.name)
        self._taken_down(container)

    def _taken_down(self, container: _Container) -> None:
        for place in (container.root, container.folder / "layer"):
            with contextlib.suppress(EngineFault):
                if place.is_mount():
                    _called("umount", "--lazy", str(place))
        shutil.rmtree(container.folder, ignore_errors=True)

    def logs(self, container_id: str) -> str:
        return readable(self._containers[container_id].log.tail(LOG_TAIL_BYTES))

    def run_in(self, container_id: str, command: list[str]) -> tuple[int, str]:
        """Run a command in one of our own containers; return its exit code and output."""
        name = self._containers[container_id].folder.name
        done = subprocess.run(
            ["runc", "--root", str(self._work / "runc"), "exec", name, *command],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=CALL_TIMEOUT_S, check=False,
        )  # fmt: skip
        return done.returncode, readable(done.stdout + done.stderr)

    @contextlib.contextmanager
    def attached(self, container_id: str) -> Iterator[LineQueue]:
        """Give the standard output of a container as it comes. Attach before start."""
        lines = self._containers[container_id].lines = LineQueue()
        yield lines

    # Files in containers and volumes

    def read_archive(self, container_id: str, path: str, limit_bytes: int) -> tarfile.TarFile | None:
        """Return a folder or file as a tar in memory; None if there is none.

        Raises ContainerFault(OUTPUT_TOO_LARGE) at `limit_bytes`.
        """
        with self.open_archive(container_id, path) as source:
            held = source.read(limit_bytes + 1) if source else b""
        if len(held) > limit_bytes:
            raise ContainerFault("OUTPUT_TOO_LARGE", f"/output held more than {limit_bytes >> 20} MiB.")
        return tarfile.open(fileobj=io.BytesIO(held), mode="r:") if held else None

    @contextlib.contextmanager
    def open_archive(self, container_id: str, path: str) -> Iterator[IO[bytes] | None]:
        """Give a folder or file of a container as a stream of a tar, None if there is none."""
        root, inside = self._place(container_id, path)
        try:
            there = os.path.lexists(below(root, inside))
        except OSError as error:
            raise engine_fault(error) from error
        if not there:
            yield None
            return
        reading, writing = os.pipe()
        writer = threading.Thread(target=_send, args=(root, inside, writing), daemon=True)
        writer.start()
        with os.fdopen(reading, "rb") as stream:
            yield stream

    def write_archive(self, container_id: str, path: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar into a folder of one of our own containers, with the owners its headers name."""
        root, inside = self._place(container_id, path)
        try:
            unpack_tar(below(root, inside), archive)
        except OSError as error:
            raise engine_fault(error) from error

    def _place(self, container_id: str, path: str) -> tuple[Path, str]:
        """Return the folder that a path of a container lies in, a volume of it or its root, and the path in there."""
        container = self._containers[container_id]
        for volume in container.spec.volumes:
            if path == volume.target or path.startswith(f"{volume.target}/"):
                return self._volumes[volume.name][0], path.removeprefix(volume.target) or "/"
        return container.root, path

    def volume_folder(self, name: str) -> str:
        return str(self._volumes[name][0])

    def create_root_volume(self, name: str, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        """Make the volume in memory that a model's writable folders lie in: programs in it may be run."""
        self._make_volume(name, labels, root_volume_options(size_mib, inodes))

    def create_volume(self, volume: OutputVolume, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        self._make_volume(volume.name, labels, volume_options(size_mib, inodes))

    def _make_volume(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> None:
        place = self._work / f"volume-{secrets.token_hex(6)}"
        place.mkdir()
        _called("mount", "-t", "tmpfs", "-o", _shifted(options["o"]), "tmpfs", str(place))
        self._volumes[name] = (place, dict(labels))

    def remove_volume(self, name: str) -> None:
        place, _ = self._volumes.pop(name, (None, {}))
        if place is not None:
            _called("umount", "--lazy", str(place))
            place.rmdir()

    def own_containers(self, labels: Mapping[str, str]) -> list[OwnContainer]:
        return [
            OwnContainer(key, container.name, container.spec.labels, time.time())
            for key, container in self._containers.items()
            if labels.items() <= container.spec.labels.items()
        ]

    def own_volumes(self, labels: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        return {name: held for name, (_, held) in self._volumes.items() if labels.items() <= held.items()}


def _shifted(options: str) -> str:
    """Return the options of a tmpfs with owners as this namespace has them."""
    pairs = [option.partition("=") for option in options.split(",")]
    return ",".join(
        f"{name}={int(value) + ID_SHIFT}" if name in ("uid", "gid") else f"{name}{sep}{value}"
        for name, sep, value in pairs
    )


def _send(root: Path, inside: str, writing: int) -> None:
    with contextlib.suppress(OSError, tarfile.TarError), os.fdopen(writing, "wb") as out:
        write_tar(root, inside, out)


def _called(*command: str) -> str:
    """Return what a program prints. Raises EngineFault with what it says where it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=CALL_TIMEOUT_S, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise engine_fault(error) from error
    if done.returncode:
        raise engine_fault(RuntimeError(f"{' '.join(command[:4])}: {done.stderr.strip() or done.stdout.strip()}"))
    return done.stdout
