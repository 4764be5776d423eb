"""What is said to an engine and what it answers, as values: a container to create, an image, a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 1 << 20
# User and group of our own containers, and of images whose user is root.
NOBODY = "65534:65534"


@dataclass(frozen=True)
class EngineFacts:
    """What an engine is, in its own words.

    engine_id: the same at each question, another for each engine. version, api: of the engine; runc: of what starts
    its containers, None where the machines that do each have their own. root: where its images lie, on its own
    machine. cpus, memory_bytes: the most that a container may have. limits: what it can bound, by name. refusal: why
    no container may run on it, "" if one may.
    """

    name: str
    engine_id: str
    version: str
    root: str
    cpus: int
    memory_bytes: int
    storage_driver: str
    runc: str | None
    api: str = ""
    kernel: str = ""
    cgroup: str = ""
    runtimes: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    limits: Mapping[str, bool] = field(default_factory=dict)
    is_podman: bool = False
    refusal: str = ""


@dataclass(frozen=True)
class Bind:
    """A folder of the engine's machine, mounted read-only unless it is one of the model's own."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class OutputVolume:
    """A tmpfs volume that outlives the container which wrote it, as long as the holder mounts it."""

    name: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class ContainerSpec:
    """One container, fully said. network: `none`, or the name of the holder whose namespace it joins."""

    name: str
    image_id: str
    labels: Mapping[str, str]
    network: str
    memory_bytes: int
    pids: int
    command: list[str] | None = None
    cpus: float = 1.0
    shm_bytes: int = MIB
    environment: Mapping[str, str] = field(default_factory=dict)
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    volumes: tuple[OutputVolume, ...] = ()
    runtime: str | None = None
    gpu: bool = False
    user: str = NOBODY
    groups: tuple[int, ...] = ()
    read_only_root: bool = True
    # Bounds the container's own layer, where the engine's storage driver can.
    root_mib: int | None = None


@dataclass(frozen=True)
class ContainerState:
    """How a container is, in the engine's words."""

    running: bool
    exit_code: int
    oom_killed: bool
    error: str = ""


@dataclass(frozen=True)
class OwnContainer:
    """A container that carries our labels. created: seconds since the epoch."""

    container_id: str
    name: str
    labels: Mapping[str, str]
    created: float


@dataclass(frozen=True)
class EngineImage:
    """What the engine says of a loaded image."""

    image_id: str
    environment: Mapping[str, str]
    volumes: tuple[str, ...]
    ports: tuple[int, ...]
    user: str = ""
    size_bytes: int = 0
    layers: tuple[str, ...] = ()
    working_dir: str = ""
