"""The gateway to podman: the Docker gateway over its compatible socket, but for what the two do differently.

Containers are made by podman's own API: through the compatible one it would add what an image never gets on Docker
(proxies of the service's environment, tmpfs without a bound below /run and /var/tmp, an account in /etc/passwd), and
take neither our log driver nor a tmpfs bounded in files. So each tmpfs is a volume in memory here, made and removed
with its container.
"""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from submissions.runner.base import EngineFault
from submissions.runner.engine.docker import CALL_TIMEOUT_S, DockerEngine, guarded
from submissions.runner.engine.oom_watch import OomWatch, watch_of
from submissions.runner.engine.seccomp import seccomp_profile
from submissions.runner.values import MIB, ContainerSpec, ContainerState, EngineFacts, OutputVolume, OwnContainer

API = "v4.0.0/libpod"
CPU_PERIOD_US = 100_000
LOG_BYTES = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Of podman's log drivers, those whose log it bounds itself and lets us read again.
LOG_DRIVERS = ("k8s-file", "json-file")
OPEN_FILES = 4096
# The most processes this machine can have, to which podman's service bounds itself. Podman asks for more where nobody
# says it, which fails without CAP_SYS_RESOURCE. A container's own bound is that of its control group.
PROCESSES_OF_A_USER = int(Path("/proc/sys/kernel/pid_max").read_text())
# Podman writes none where there is no network, and would leave the image's own.
RESOLV_CONF = "nameserver 127.0.0.1\nsearch .\n"
INITS = ("/usr/bin/docker-init", "/usr/bin/tini-static")
REGISTRY = "docker.io/library/"
TMPFS_MARK = "-tmpfs-"
NO_GPU = "podman gives no GPU here: run phases with a GPU on a Docker engine."

# By the service's address: podman takes more than a second to say it.
_log_drivers: dict[str | None, str] = {}


class PodmanEngine(DockerEngine):
    """A podman service on this machine. Not shared between threads.

    state_dir: where the seccomp profile is put for the service to read, which takes it as a path.
    """

    # Forced, podman would remove the containers that have a volume, too.
    forces_volumes = False
    # With a number podman leaves out lines before one that it wrote in parts. Its log is bounded anyway.
    log_lines = "all"

    def __init__(self, base_url: str | None, state_dir: Path, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._state_dir = state_dir
        self._oom: dict[str, OomWatch] = {}
        self._killed: set[str] = set()
        super().__init__(base_url, timeout_s=timeout_s)

    def twin(self) -> PodmanEngine:
        return PodmanEngine(self._base_url, self._state_dir, timeout_s=self._timeout_s)

    def facts(self) -> EngineFacts:
        """Return versions, runtimes, storage driver and root of the engine.

        Podman draws a new ID at each question, so its storage stands for it.
        """
        facts = super().facts()
        return replace(facts, engine_id=f"podman at {facts.root}", refusal=refusal(facts, is_local=self.is_local))

    @guarded
    def tags(self, repository: str) -> dict[str, list[str]]:
        """Return the tags below a repository name, by image ID; podman puts a registry before each name."""
        found: dict[str, list[str]] = {}
        for image in self._client.api.images():
            names = (tag.removeprefix(REGISTRY).removeprefix("localhost/") for tag in image.get("RepoTags") or [])
            if own := [name for name in names if name.startswith(f"{repository}:")]:
                found.setdefault(image["Id"], []).extend(own)
        return found

    def _create(self, spec: ContainerSpec) -> str:
        volumes = tmpfs_volumes(spec)
        try:
            for volume, bounds in volumes.items():
                self._make_volume(volume.name, spec.labels, bounds)
            options = container_options(spec, list(volumes), self._log_driver())
            options["seccomp_profile_path"] = self._file("seccomp.json", seccomp_profile())
            options["mounts"].append(_bind(self._file("resolv.conf", RESOLV_CONF), "/etc/resolv.conf"))
            return str(self._posted(f"{API}/containers/create", options)["Id"])
        except Exception:
            for volume in volumes:
                self.remove_volume(volume.name)
            raise

    def _start(self, container_id: str) -> None:
        self._posted(f"{API}/containers/{container_id}/init", {})
        if watch := watch_of(self._client.api.inspect_container(container_id)["State"]["Pid"]):
            self._oom[container_id] = watch
        super()._start(container_id)

    def state(self, container_id: str) -> ContainerState:
        state = super().state(container_id)
        if container_id not in self._oom:
            return state
        exit_code = None if state.running else 0 if container_id in self._killed else state.exit_code
        return replace(state, oom_killed=self._oom[container_id].has_killed(exit_code))

    def kill(self, container_id: str) -> None:
        if container_id in self._oom:
            self._oom[container_id].look()
        self._killed.add(container_id)
        super().kill(container_id)

    def close(self) -> None:
        for watch in self._oom.values():
            watch.close()
        super().close()

    def remove(self, container_id: str) -> None:
        """Remove it with the volumes of its own; one that is gone already is fine: the reaper finds what it left."""
        try:
            mounts = self.inspect(container_id)["Mounts"]
        except EngineFault:
            mounts = []
        super().remove(container_id)
        if watch := self._oom.pop(container_id, None):
            watch.close()
        for name in (mount.get("Name") or "" for mount in mounts):
            if TMPFS_MARK in name:
                self.remove_volume(name)

    def own_containers(self, labels: Mapping[str, str]) -> list[OwnContainer]:
        return [found for found in super().own_containers(labels) if labels.items() <= found.labels.items()]

    def own_volumes(self, labels: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        """Return the labels of the volumes that carry all of `labels`; for podman's own filter, one is enough."""
        found = super().own_volumes(labels)
        return {name: carried for name, carried in found.items() if labels.items() <= carried.items()}

    def _make_volume(self, name: str, labels: Mapping[str, str], options: Mapping[str, str]) -> None:
        super()._make_volume(name, labels, {**options, "o": in_pages(options["o"])})

    def _file(self, name: str, text: str) -> str:
        """Return where the service reads a file of ours; written anew unless it is there as it should be."""
        path = self._state_dir / name
        if not path.is_file() or path.read_text() != text:
            part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
            part.write_text(text)
            part.chmod(0o644)
            part.rename(path)
        return str(path)

    def _log_driver(self) -> str:
        if self._base_url not in _log_drivers:
            offered = (self._client.info().get("Plugins") or {}).get("Log") or []
            _log_drivers[self._base_url] = log_driver_of(offered)
        return _log_drivers[self._base_url]


def log_driver_of(offered: Collection[str]) -> str:
    """Return the first log driver of ours that an engine offers. Raises EngineFault."""
    for driver in LOG_DRIVERS:
        if driver in offered:
            return driver
    raise EngineFault("The engine offers no log that it bounds.", staff_detail=f"of {LOG_DRIVERS} none in {offered}")


def refusal(facts: EngineFacts, *, is_local: bool) -> str:
    """Return why no container may run on this podman, "" if one may."""
    if not facts.is_podman:
        return "this engine is not podman: set EVALUATION_ENGINE=docker"
    if not is_local:
        return "podman must run on this machine: it reads the seccomp profile as a file"
    if any("rootless" in option for option in facts.security) and facts.cgroup != "2":
        return (
            "rootless podman limits neither memory nor processes on cgroup v1: start it as root, or boot with cgroup v2"
        )
    missing = [name for name, is_limited in facts.limits.items() if not is_limited]
    return f"this podman does not limit {', '.join(missing)}: its control groups are not delegated" if missing else ""


def tmpfs_volumes(spec: ContainerSpec) -> dict[OutputVolume, dict[str, str]]:
    """Return the volumes in memory that stand for a container's tmpfs, with their driver options."""
    volumes = {}
    for number, (target, options) in enumerate(sorted(spec.tmpfs.items())):
        kept = [option for option in options.split(",") if option not in ("rw", "exec")]
        volume = OutputVolume(f"{spec.name}{TMPFS_MARK}{number}", target, read_only=False)
        volumes[volume] = {"type": "tmpfs", "device": "tmpfs", "o": ",".join(kept)}
    return volumes


def in_pages(options: str) -> str:
    """Return tmpfs options with the size in pages, since podman takes `size` for a disk quota of its own."""
    return ",".join(
        f"nr_blocks={_mebibytes(option) * MIB // PAGE_BYTES}" if option.startswith("size=") else option
        for option in options.split(",")
    )


def _mebibytes(option: str) -> int:
    return int(option.removeprefix("size=").removesuffix("m"))


def container_options(spec: ContainerSpec, own_volumes: list[OutputVolume], log_driver: str) -> dict[str, Any]:
    """Return the body of podman's `create`, without the files of ours. Raises EngineFault for a GPU."""
    if spec.gpu:
        raise EngineFault(NO_GPU)
    options: dict[str, Any] = {
        "name": spec.name,
        "image": spec.image_id,
        "labels": dict(spec.labels),
        "env": dict(spec.environment),
        "httpproxy": False,
        "init": True,
        **_init(),
        "restart_policy": "no",
        "stop_timeout": 0,
        "systemd": "false",
        "image_volume_mode": "ignore",
        "manage_password": False,
        "cap_drop": ["ALL"],
        "no_new_privileges": True,
        "read_only_filesystem": spec.read_only_root,
        "user": spec.user,
        "groups": [str(group) for group in spec.groups],
        "ipcns": {"nsmode": "private"},
        "healthconfig": {"Test": ["NONE"]},
        "log_configuration": {"driver": log_driver, "size": LOG_BYTES},
        "r_limits": _rlimits(),
        "resource_limits": _resources(spec),
        "shm_size": spec.shm_bytes,
        "mounts": [_bind(bind.source, bind.target, is_read_only=bind.read_only) for bind in spec.binds],
        "volumes": [_volume(volume, "exec") for volume in own_volumes]
        + [_volume(volume, "noexec") for volume in spec.volumes],
        **_network(spec),
    }
    if spec.command is not None:
        options["command"] = spec.command
    if spec.root_mib is not None:
        options["storage_opts"] = {"size": f"{spec.root_mib}m"}
    if spec.runtime:
        options["oci_runtime"] = spec.runtime
    return options


def _init() -> dict[str, str]:
    """Return the init that tells by its exit code that a command could not be run; podman's own does not."""
    return next(({"init_path": path} for path in INITS if Path(path).is_file()), {})


def _network(spec: ContainerSpec) -> dict[str, Any]:
    if spec.network != "none":
        return {"netns": {"nsmode": "container", "value": spec.network}}
    return {"netns": {"nsmode": "none"}, "hostname": "model"}


def _rlimits() -> list[dict[str, Any]]:
    allowed = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    processes = PROCESSES_OF_A_USER if allowed == resource.RLIM_INFINITY else min(PROCESSES_OF_A_USER, allowed)
    limits = {"NOFILE": OPEN_FILES, "CORE": 0, "NPROC": processes}
    return [{"type": name, "soft": limit, "hard": limit} for name, limit in limits.items()]


def _resources(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "memory": {"limit": spec.memory_bytes, "swap": spec.memory_bytes},
        "cpu": {"quota": int(spec.cpus * CPU_PERIOD_US), "period": CPU_PERIOD_US},
        "pids": {"limit": spec.pids},
    }


def _bind(source: str, target: str, *, is_read_only: bool = True) -> dict[str, Any]:
    options = ["rbind", "rprivate", "nosuid", "nodev", "ro" if is_read_only else "rw"]
    return {"type": "bind", "source": source, "destination": target, "options": options}


def _volume(volume: OutputVolume, exec_option: str) -> dict[str, Any]:
    """Return a mount of a volume. nocopy: as on Docker, nothing of the image's folder is in it."""
    options = ["nocopy", "nosuid", "nodev", exec_option, "ro" if volume.read_only else "rw"]
    return {"Name": volume.name, "Dest": volume.target, "Options": options}
