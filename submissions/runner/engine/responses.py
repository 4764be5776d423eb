"""What an engine answers, as values: its JSON is read here, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from submissions.runner.values import ContainerState, EngineFacts, EngineImage, OwnContainer

# What an engine says it can limit, by the keys of its `info`.
LIMITS = {"memory": "MemoryLimit", "swap": "SwapLimit", "CPU": "CpuCfsQuota", "processes": "PidsLimit"}


def engine_image(inspected: Mapping[str, Any]) -> EngineImage:
    config = inspected.get("Config") or {}
    pairs = (entry.partition("=") for entry in config.get("Env") or [])
    return EngineImage(
        image_id=inspected["Id"],
        environment={name: value for name, _, value in pairs},
        volumes=tuple(config.get("Volumes") or ()),
        ports=tuple(_tcp_ports(config.get("ExposedPorts") or {})),
        user=config.get("User") or "",
        size_bytes=inspected.get("Size", 0),
        layers=tuple((inspected.get("RootFS") or {}).get("Layers") or ()),
        working_dir=config.get("WorkingDir") or "",
    )


def _tcp_ports(exposed: Mapping[str, Any]) -> Iterator[int]:
    for entry in exposed:
        port, _, protocol = entry.partition("/")
        if protocol in ("", "tcp") and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            yield int(port)


def container_state(state: Mapping[str, Any]) -> ContainerState:
    running = state["Status"] in ("running", "created", "paused", "restarting")
    return ContainerState(running, state["ExitCode"], state["OOMKilled"], state.get("Error", ""))


def own_container(listed: Mapping[str, Any]) -> OwnContainer:
    name = (listed["Names"] or ["/"])[0][1:]
    return OwnContainer(listed["Id"], name, listed["Labels"], float(listed["Created"]))


def engine_facts(info: Mapping[str, Any], version: Mapping[str, Any]) -> EngineFacts:
    """Return what an engine's answers to `info` and `version` say of it."""
    components = {part["Name"]: part["Version"] for part in version.get("Components", [])}
    is_podman = "Podman Engine" in components
    return EngineFacts(
        name="podman" if is_podman else "Docker",
        engine_id=info.get("ID", ""),
        version=version.get("Version", ""),
        root=info.get("DockerRootDir", ""),
        cpus=info.get("NCPU", 0),
        memory_bytes=info.get("MemTotal", 0),
        storage_driver=info.get("Driver", ""),
        runc=components.get("runc") or _runc_of(components),
        api=version.get("ApiVersion", ""),
        kernel=info.get("KernelVersion", ""),
        cgroup=info.get("CgroupVersion", "1"),
        runtimes=tuple(sorted(info.get("Runtimes", {}))),
        security=tuple(info.get("SecurityOptions") or ()),
        limits={name: bool(info.get(key)) for name, key in LIMITS.items()},
        is_podman=is_podman,
        refusal="this engine is podman: set EVALUATION_ENGINE=podman" if is_podman else "",
    )


def _runc_of(components: Mapping[str, str]) -> str:
    """Return the runtime's version as podman says it: `runc version 1.1.5` and further lines."""
    return components.get("OCI Runtime (runc)", "").partition("\n")[0].removeprefix("runc version ")


def memory_bytes(stats: Mapping[str, Any]) -> int:
    """Return the highest memory use known: the peak on cgroup v1, the present on v2."""
    memory = stats.get("memory_stats") or {}
    return int(memory.get("max_usage") or memory.get("usage") or 0)
