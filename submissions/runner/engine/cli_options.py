"""The arguments of `docker create` that say the same as docker-py's options, for an engine without docker-py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SECCOMP = "seccomp="


def create_arguments(options: Mapping[str, Any], scratch: Path) -> list[str]:
    """Return command-line arguments for `container_options`; scratch: where a file that one of them names may lie.

    Raises KeyError for an option this module does not know: a sandbox must not be weaker at home.
    """
    return [argument for name, value in options.items() for argument in ARGUMENTS[name](value, scratch)]


def _flag(name: str) -> Callable[[Any, Path], list[str]]:
    return lambda value, scratch: [f"--{name}"] if value else []


def _value(name: str) -> Callable[[Any, Path], list[str]]:
    return lambda value, scratch: [f"--{name}={value}"]


def _each(name: str) -> Callable[[Any, Path], list[str]]:
    return lambda values, scratch: [f"--{name}={value}" for value in values]


def _pairs(name: str, joint: str) -> Callable[[Any, Path], list[str]]:
    return lambda values, scratch: [f"--{name}={key}{joint}{value}" for key, value in values.items()]


def _security(values: list[str], scratch: Path) -> list[str]:
    """Return the options; the command line takes a seccomp profile from a file, the engine its text."""
    arguments = []
    for value in values:
        if value.startswith(SECCOMP + "{"):
            path = scratch / "seccomp.json"
            path.write_text(value.removeprefix(SECCOMP), encoding="utf-8")
            value = f"{SECCOMP}{path}"
        arguments.append(f"--security-opt={value}")
    return arguments


def _log(config: Mapping[str, Any], scratch: Path) -> list[str]:
    return [f"--log-driver={config['type']}", *_pairs("log-opt", "=")(config["config"], scratch)]


def _ulimits(limits: list[dict[str, Any]], scratch: Path) -> list[str]:
    return [f"--ulimit={limit['name']}={limit['soft']}:{limit['hard']}" for limit in limits]


def _mounts(mounts: list[dict[str, Any]], scratch: Path) -> list[str]:
    return [f"--mount={_mount(mount)}" for mount in mounts]


def _mount(mount: Mapping[str, Any]) -> str:
    # Quoted as one CSV cell: the path of a home folder may hold a comma.
    source = '"source={}"'.format(str(mount["Source"]).replace('"', '""'))
    parts = [f"type={mount['Type']}", source, f"target={mount['Target']}"]
    parts += ["readonly"] if mount["ReadOnly"] else []
    parts += ["volume-nocopy"] if mount.get("VolumeOptions", {}).get("NoCopy") else []
    return ",".join(parts)


def _no_healthcheck(check: Mapping[str, Any], scratch: Path) -> list[str]:
    assert check == {"test": ["NONE"]}
    return ["--no-healthcheck"]


def _gpus(requests: list[dict[str, Any]], scratch: Path) -> list[str]:
    return [f"--gpus={request['count']}" for request in requests]


def _bytes(name: str) -> Callable[[Any, Path], list[str]]:
    return lambda value, scratch: [f"--{name}={int(value)}b"]


ARGUMENTS: dict[str, Callable[[Any, Path], list[str]]] = {
    "name": _value("name"),
    "labels": _pairs("label", "="),
    "detach": lambda value, scratch: [],  # `create` starts nothing
    "auto_remove": _flag("rm"),
    "privileged": _flag("privileged"),
    "init": _flag("init"),
    "restart_policy": lambda value, scratch: [f"--restart={value['Name']}"],
    "cap_drop": _each("cap-drop"),
    "security_opt": _security,
    "read_only": _flag("read-only"),
    "user": _value("user"),
    "group_add": _each("group-add"),
    "working_dir": _value("workdir"),
    "ipc_mode": _value("ipc"),
    "healthcheck": _no_healthcheck,
    "log_config": _log,
    "ulimits": _ulimits,
    "network_mode": _value("network"),
    "hostname": _value("hostname"),
    "dns": _each("dns"),
    "dns_search": _each("dns-search"),
    "mem_limit": _bytes("memory"),
    "memswap_limit": _bytes("memory-swap"),
    "nano_cpus": lambda value, scratch: [f"--cpus={value / 1e9:g}"],
    "pids_limit": _value("pids-limit"),
    "shm_size": _bytes("shm-size"),
    "environment": _pairs("env", "="),
    "tmpfs": _pairs("tmpfs", ":"),
    "storage_opt": _pairs("storage-opt", "="),
    "mounts": _mounts,
    "runtime": _value("runtime"),
    "device_requests": _gpus,
}
