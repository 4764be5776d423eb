"""A container as runc takes it: the same hardening as `engine/container_spec.py`, in the words of the OCI runtime.

Memory and CPU are bounded by the batch system's control group of the job, the network is the job's own empty one; the
number of processes by RLIMIT_NPROC, which the kernel (5.14 or later) counts for each user namespace.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from submissions.runner.base import EngineFault
from submissions.runner.cluster.rooted import ID_SHIFT
from submissions.runner.engine.seccomp import seccomp_profile
from submissions.runner.values import ContainerSpec

IDS = 65_535
OPEN_FILES = 4096
INIT_AT = "/sbin/docker-init"
INITS = ("/usr/bin/docker-init", "/usr/bin/tini-static", "/usr/sbin/docker-init")
# The kernel ends these first when the job's memory is used up: never the program that watches them.
OOM_SCORE = 1000
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MASKED = [
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
]  # fmt: skip
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def runtime_spec(
    spec: ContainerSpec, image: dict[str, Any], root: Path, files: dict[str, Path], sources: dict[str, Path]
) -> dict[str, Any]:
    """Return runc's config.json.

    image: the `config` of the image. files: ours that are mounted read-only, by where; /sys is among them. sources:
    folders of volumes by name.
    """
    user, group = spec.user.split(":")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": int(user), "gid": int(group), "additionalGids": list(spec.groups)},
            "args": [INIT_AT, "--", *arguments(spec, image)],
            "env": environment(spec, image),
            "cwd": image.get("WorkingDir") or "/",
            "capabilities": {name: [] for name in ("bounding", "effective", "permitted", "ambient")},
            "rlimits": [_limit("NOFILE", OPEN_FILES), _limit("CORE", 0), _limit("NPROC", spec.pids)],
            "noNewPrivileges": True,
            "oomScoreAdj": OOM_SCORE,
        },
        "root": {"path": str(root), "readonly": spec.read_only_root},
        "hostname": "model",
        "mounts": _mounts(spec, files, sources),
        "linux": {
            "uidMappings": [{"containerID": 0, "hostID": ID_SHIFT, "size": IDS}],
            "gidMappings": [{"containerID": 0, "hostID": ID_SHIFT, "size": IDS}],
            # No network: the job's own empty one is the only one there is.
            "namespaces": [{"type": name} for name in ("pid", "ipc", "uts", "mount", "user", "cgroup")],
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "seccomp": oci_seccomp(),
        },
    }


def arguments(spec: ContainerSpec, image: dict[str, Any]) -> list[str]:
    """Return entry point and command as an engine joins them."""
    return [*(image.get("Entrypoint") or []), *(spec.command if spec.command is not None else image.get("Cmd") or [])]


def environment(spec: ContainerSpec, image: dict[str, Any]) -> list[str]:
    """Return the image's variables with ours laid over them."""
    entries = {entry.partition("=")[0]: entry for entry in [DEFAULT_PATH, *(image.get("Env") or [])] if "=" in entry}
    entries |= {"HOSTNAME": "HOSTNAME=model"} | {name: f"{name}={value}" for name, value in spec.environment.items()}
    return list(entries.values())


def _limit(name: str, limit: int) -> dict[str, Any]:
    return {"type": f"RLIMIT_{name}", "soft": limit, "hard": limit}


def _mounts(spec: ContainerSpec, files: dict[str, Path], sources: dict[str, Path]) -> list[dict[str, Any]]:
    safe = ["nosuid", "noexec", "nodev"]
    shm = [*safe, "mode=1777", f"size={spec.shm_bytes}"]
    mounts = [
        _mount("/proc", "proc", "proc", safe),
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
        _mount("/dev/shm", "tmpfs", "shm", shm),
        _mount("/dev/mqueue", "mqueue", "mqueue", safe),
        # The job's own, which shows its empty network: one of a container's own would need that network, too.
        _mount("/sys", "none", str(files["/sys"]), ["rbind", "ro", *safe]),
    ]
    mounts += [_mount(at, "tmpfs", "tmpfs", _tmpfs(options)) for at, options in sorted(spec.tmpfs.items())]
    mounts += [_bind(volume.target, str(sources[volume.name]), volume.read_only, "noexec") for volume in spec.volumes]
    mounts += [_bind(bind.target, bind.source, bind.read_only) for bind in spec.binds]
    mounts += [_bind(at, str(path), True) for at, path in files.items() if at != "/sys"]
    # Outer folders before those in them.
    return mounts[:6] + sorted(mounts[6:], key=lambda mount: str(mount["destination"]).count("/"))


def _mount(at: str, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"destination": at, "type": kind, "source": source, "options": options}


def _bind(at: str, source: str, is_read_only: bool, *exec_options: str) -> dict[str, Any]:
    options = ["rbind", "rprivate", "nosuid", "nodev", *exec_options, "ro" if is_read_only else "rw"]
    return _mount(at, "none", source, options)


def _tmpfs(options: str) -> list[str]:
    """Return the options of a tmpfs; its owner is the container's, whatever the user namespace."""
    return [option for option in options.split(",") if option != "rw"]


def oci_seccomp() -> dict[str, Any]:
    """Return our profile as runc has it: architectures as a plain list."""
    profile = json.loads(seccomp_profile())
    known = profile.pop("archMap")[0]
    profile["architectures"] = [known["architecture"], *known["subArchitectures"]]
    return dict(profile)


def static_init() -> Path:
    """Return the program of this node that is every container's first. Raises EngineFault."""
    for path in INITS:
        if Path(path).is_file():
            return Path(path).resolve()
    raise EngineFault("This node has no static init for containers.", staff_detail=f"none of {', '.join(INITS)}")
