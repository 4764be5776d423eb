"""What a container is created with: the hardening all have in common, then what its role gets."""

from __future__ import annotations

from typing import Any

from submissions.runner.engine.seccomp import seccomp_profile
from submissions.runner.values import ContainerSpec, OutputVolume


def container_options(spec: ContainerSpec) -> dict[str, Any]:
    """Return the arguments of docker-py's `create`, as plain values."""
    options: dict[str, Any] = {
        "name": spec.name,
        "labels": dict(spec.labels),
        "detach": True,
        "auto_remove": False,
        "privileged": False,
        "init": True,
        "restart_policy": {"Name": "no"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "read_only": spec.read_only_root,
        "user": spec.user,
        "ipc_mode": "private",
        "healthcheck": {"test": ["NONE"]},
        "log_config": {"type": "local", "config": {"max-size": "1m", "max-file": "1", "compress": "false"}},
        "ulimits": [{"name": "nofile", "soft": 4096, "hard": 4096}, {"name": "core", "soft": 0, "hard": 0}],
        "network_mode": "none" if spec.network == "none" else f"container:{spec.network}",
        "mem_limit": spec.memory_bytes,
        "memswap_limit": spec.memory_bytes,
        "nano_cpus": int(spec.cpus * 1e9),
        "pids_limit": spec.pids,
        "shm_size": spec.shm_bytes,
        "environment": dict(spec.environment),
        "tmpfs": dict(spec.tmpfs),
        "mounts": _mounts(spec),
    }
    if spec.network == "none":
        options["hostname"] = "model"
        # Else the engine writes the host's own name servers and search domains into /etc/resolv.conf.
        options["dns"], options["dns_search"] = ["127.0.0.1"], ["."]
    if spec.groups:
        options["group_add"] = [str(group) for group in spec.groups]
    if spec.root_mib is not None:
        options["storage_opt"] = {"size": f"{spec.root_mib}m"}
    if spec.runtime:
        options["runtime"] = spec.runtime
    if spec.gpu:
        options["device_requests"] = [{"count": 1, "capabilities": [["gpu"]]}]
    return options


def volume_options(size_mib: int, inodes: int) -> dict[str, str]:
    """Return the driver options of a tmpfs volume that everybody may write to, bounded in bytes and in files."""
    return _tmpfs(f"size={size_mib}m,nr_inodes={inodes},uid=65534,gid=65534,mode=0777,nosuid,nodev,noexec")


def root_volume_options(size_mib: int, inodes: int) -> dict[str, str]:
    """Return those of the volume that a model's writable folders lie in: programs in it may be run."""
    return _tmpfs(f"size={size_mib}m,nr_inodes={inodes},uid=0,gid=0,mode=0755,nosuid,nodev")


def _tmpfs(options: str) -> dict[str, str]:
    return {"type": "tmpfs", "device": "tmpfs", "o": options}


def _mounts(spec: ContainerSpec) -> list[dict[str, Any]]:
    """Return mounts in the words of the engine's own API, which docker-py passes on as they are."""
    binds = [
        {"Type": "bind", "Source": bind.source, "Target": bind.target, "ReadOnly": bind.read_only}
        for bind in spec.binds
    ]
    return binds + [_volume_mount(volume) for volume in spec.volumes]


def _volume_mount(volume: OutputVolume) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": volume.name,
        "Target": volume.target,
        "ReadOnly": volume.read_only,
        "VolumeOptions": {"NoCopy": True},
    }
