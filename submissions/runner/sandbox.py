"""What each of the three containers of an attempt gets, as values; `container_spec.py` turns them into arguments.

Holder (ours) owns the empty network namespace; model (the participant's) and driver (ours) join it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil
from posixpath import normpath

from submissions.runner.base import Limits, RunRequest
from submissions.runner.identity import IN_PLACE_OF_ROOT, Identity
from submissions.runner.values import MIB, Bind, ContainerSpec, EngineImage, OutputVolume

CASES_AT = "/cases"
PLAN_AT = "/plan"
INPUT_AT = "/input"
OUTPUT_AT = "/output"
MODEL_AT = "/opt/ml/model"
# Where caches go that the image has no folder for, and where they are by themselves, below the home.
CACHES = {
    "XDG_CACHE_HOME": ("/tmp/.cache", ".cache"),
    "HF_HOME": ("/tmp/.cache/huggingface", ".cache/huggingface"),
    "TORCH_HOME": ("/tmp/.cache/torch", ".cache/torch"),
    "MPLCONFIGDIR": ("/tmp/.cache/matplotlib", ".config/matplotlib"),
    "NUMBA_CACHE_DIR": ("/tmp/.cache/numba", ""),
}
FORBIDDEN_ENV = ("LD_", "NVIDIA_", "CUDA_VISIBLE")
# Images with CUDA or conda need it; intake let nothing else of LD_* through.
ALLOWED_ENV = ("LD_LIBRARY_PATH",)


@dataclass(frozen=True)
class Labels:
    """Whose container it is: what the reaper decides by. deadline: seconds since the epoch."""

    prefix: str
    instance: str
    evaluation: str
    attempt: int
    deadline: int

    def of(self, role: str) -> dict[str, str]:
        values = {"instance": self.instance, "evaluation": self.evaluation, "attempt": str(self.attempt)}
        values |= {"role": role, "deadline": str(self.deadline)}
        return {f"{self.prefix}.{key}": value for key, value in values.items()}

    def name(self, role: str) -> str:
        """Return the container name; taken already means that another worker runs this attempt."""
        return f"{self.prefix}-{self.instance}-{self.evaluation}-{self.attempt}-{role}"


@dataclass(frozen=True)
class ModelBody:
    """Whom a model runs as and what it may write to.

    cache_folders: those of CACHES that the image has. binds: its writable folders. has_whole_root: its root file system
    is writable; is_bounded_by_engine: then the storage driver bounds it.
    """

    identity: Identity = IN_PLACE_OF_ROOT
    cache_folders: frozenset[str] = frozenset()
    binds: tuple[Bind, ...] = ()
    has_whole_root: bool = False
    is_bounded_by_engine: bool = False


PLAIN_BODY = ModelBody()


def holder_spec(labels: Labels, driver_image: str, volumes: tuple[OutputVolume, ...] = ()) -> ContainerSpec:
    """Return the pause (infra) container: it owns the empty network and, for batches, keeps the output alive."""
    return ContainerSpec(
        name=labels.name("holder"),
        image_id=driver_image,
        labels=labels.of("holder"),
        network="none",
        memory_bytes=64 * MIB,
        pids=32,
        command=["hold"],
        volumes=volumes,
    )


def model_spec(
    labels: Labels,
    image: EngineImage,
    limits: Limits,
    *,
    runtime: str | None = None,
    role: str = "model",
    binds: tuple[Bind, ...] = (),
    volumes: tuple[OutputVolume, ...] = (),
    body: ModelBody = PLAIN_BODY,
) -> ContainerSpec:
    """Return the participant's container: image by ID, the phase's limits, nothing of ours inside."""
    binds = (*binds, *body.binds)
    return ContainerSpec(
        name=labels.name(role),
        image_id=image.image_id,
        labels=labels.of("model"),
        network=labels.name("holder"),
        memory_bytes=limits.memory_mib * MIB,
        pids=limits.pids,
        cpus=limits.cpus,
        shm_bytes=limits.shm_mib * MIB,
        environment=model_environment(image, limits, body),
        tmpfs=model_tmpfs(
            image, limits, mounted=[bind.target for bind in binds] + [volume.target for volume in volumes]
        ),
        binds=binds,
        volumes=volumes,
        runtime=runtime,
        gpu=limits.gpu,
        user=body.identity.user,
        groups=body.identity.groups,
        read_only_root=not body.has_whole_root,
        root_mib=limits.root_mib if body.is_bounded_by_engine else None,
    )


def driver_spec(labels: Labels, driver_image: str, cases_root: str, plan_dir: str) -> ContainerSpec:
    """Return the caller: sees the cases and its plan, writes to its standard output only."""
    return ContainerSpec(
        name=labels.name("driver"),
        image_id=driver_image,
        labels=labels.of("driver"),
        network=labels.name("holder"),
        memory_bytes=512 * MIB,
        pids=64,
        command=["call", f"{PLAN_AT}/plan.json"],
        binds=(Bind(cases_root, CASES_AT), Bind(plan_dir, PLAN_AT)),
    )


def model_binds(request: RunRequest) -> tuple[Bind, ...]:
    """Return the mount of the weights that came apart from the image, if any did."""
    return (Bind(str(request.model_dir), MODEL_AT),) if request.model_dir else ()


def cache_places(image: EngineImage, home: str) -> dict[str, str]:
    """Return by variable where an image's caches are: where it says, or below the home."""
    below = {name: f"{home.rstrip('/')}/{place}" for name, (_, place) in CACHES.items() if place}
    return below | {name: image.environment[name] for name in CACHES if image.environment.get(name)}


def model_environment(image: EngineImage, limits: Limits, body: ModelBody = PLAIN_BODY) -> dict[str, str]:
    """Return the variables laid over the image's own."""
    threads = str(max(1, ceil(limits.cpus)))
    forbidden = (name for name in image.environment if name.upper().startswith(FORBIDDEN_ENV))
    chosen = {name: "" for name in forbidden if name not in ALLOWED_ENV}
    chosen |= {name: path for name, (path, _) in CACHES.items() if name not in body.cache_folders}
    chosen |= {"HOME": image.environment.get("HOME") or body.identity.home}
    chosen |= {"HF_HUB_OFFLINE": "1", "LD_PRELOAD": "", "PYTHONDONTWRITEBYTECODE": "1"}
    chosen |= {"OMP_NUM_THREADS": image.environment.get("OMP_NUM_THREADS", threads)}
    chosen["NVIDIA_VISIBLE_DEVICES"] = "all" if limits.gpu else "void"
    return chosen


def model_tmpfs(image: EngineImage, limits: Limits, *, mounted: Collection[str] = ()) -> dict[str, str]:
    """Return a sized tmpfs at /tmp and over every volume the image declares, but where we mount something.

    A declared volume that nothing covers is an unbounded folder on the engine's disk, so none is left out.
    """
    # exec: torch and numba load the code they compile from there. uid, gid: the runtime gives the mount
    # the mode of the image's own folder, which only its owner may write to.
    options = f"rw,exec,nosuid,nodev,mode=1777,uid=65534,gid=65534,size={limits.tmp_mib}m,nr_inodes=200k"
    declared = {"/" + normpath(path).lstrip("/") for path in image.volumes}
    return dict.fromkeys(({"/tmp"} | declared) - set(mounted), options)
