"""The values a run is made of, and what can go wrong with it.

RunError
 +-- ContainerFault     a ParticipantError: a code of the failure table, a note they may read
 +-- EngineFault        a PlatformError: SYSTEM_ENGINE, SYSTEM_DISK; retried
 |    +-- AttemptTaken  another worker holds the containers of this very attempt
 +-- RunCancelled       somebody asked to stop
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from submissions.faults import ParticipantError, PlatformError
from submissions.kinds import Facts, Kind
from submissions.kinds.base import SentCase
from submissions.runner.values import (
    ContainerSpec,
    ContainerState,
    EngineFacts,
    EngineImage,
    OutputVolume,
    OwnContainer,
)

# The stage of a run on public sample cases: it costs no try, and hides nothing from its team.
TRIAL = "smoke"


class RunError(Exception):
    """A run that ended without answers, with what it leaves to be explained.

    code: a failure code. note: a sentence its team may read: never model output, never an engine
    text. staff_detail: whatever helps staff. answered: cases answered before it happened. logs: the
    end of what the model printed, to be shown as the stage allows. status, answer: of the HTTP call that failed, the
    first kilobyte of its body; diagnosis: what to change. These three only of a trial on public sample cases.
    wanted_output, outputs: the answer file that was missing, and the files that were there instead.
    """

    code = "CANCELLED"
    note = "Cancelled."
    staff_detail = ""
    answered = 0
    logs = ""
    status = 0
    answer = ""
    diagnosis = ""
    wanted_output = ""
    outputs: tuple[str, ...] = ()
    exit_code: int | None = None


class ContainerFault(RunError, ParticipantError):
    """The participant's container did it."""


class EngineFault(RunError, PlatformError):
    """The engine or this machine did it; the attempt may be repeated."""

    def __init__(self, note: str = "", *, code: str = "SYSTEM_ENGINE", staff_detail: str = "") -> None:
        super().__init__(code, staff_detail, note=note)


class EngineRestarted(EngineFault):
    """The engine stopped or restarted under the run, and took all containers along."""


class AttemptTaken(EngineFault):
    """Containers of this evaluation and attempt exist already: not mine to run."""


class RunCancelled(RunError):
    """The run was asked to stop; containers are gone when this is raised."""


@dataclass(frozen=True)
class Limits:
    """What a phase grants a container. Memory counts tmpfs too; seconds are wall-clock."""

    memory_mib: int = 4096
    cpus: float = 2.0
    timeout_s: float = 3600.0
    startup_s: float = 60.0
    predict_timeout_s: float = 60.0
    parallel: int = 1
    gpu: bool = False
    pids: int = 512
    tmp_mib: int = 1024
    shm_mib: int = 2048
    root_mib: int = 2048
    root_files: int = 200_000
    output_mib: int = 16
    output_files: int = 1000
    response_bytes: int = 1 << 20


def limits_with(*, memory_mib: int, **others: Any) -> Limits:
    """Return limits whose tmpfs sizes follow from the memory, which they count toward.

    memory_mib: as phases and frozen limits name it; a mebibyte each.
    """
    tmp_mib, shm_mib = max(64, memory_mib // 4), max(64, memory_mib // 2)
    return Limits(memory_mib=memory_mib, tmp_mib=tmp_mib, shm_mib=shm_mib, **others)


@dataclass
class RunCase:
    """One case as the runner sees it: no truth.

    case_id stays here: containers get neutral names. facts: what the kind knows of the case, of which it sends some.
    """

    case_id: str
    image_path: Path
    series_key: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One case under the neutral names a container sees in this attempt."""

    number: int
    case: RunCase
    series_uid: str
    lesion_id: int

    @property
    def sent(self) -> SentCase:
        return SentCase(self.case.facts, self.series_uid, self.lesion_id)


@dataclass(frozen=True)
class RunRequest:
    """Everything one run needs.

    run_dir is this attempt's own folder, cases_root holds all images, model_dir (if any) the weights that came apart
    from the image; all are paths the engine can mount. done: cases answered by an earlier attempt. slugs: the phase's
    own names of the batch contract's files, by what they are.
    """

    evaluation: str
    attempt: int
    image_id: str
    contract: str
    cases: Sequence[RunCase]
    limits: Limits
    kind: Kind
    cases_root: Path
    run_dir: Path
    seed: int
    endpoint: str = ""
    adapter: Mapping[str, Any] = field(default_factory=dict)
    done: Mapping[str, Any] = field(default_factory=dict)
    stage: str = "run"
    writable_folders: tuple[str, ...] = ()
    model_dir: Path | None = None
    slugs: Mapping[str, str] = field(default_factory=dict)


@dataclass
class RunResult:
    """Answers by case id as the kind read them, and what the run cost."""

    answers: dict[str, Any] = field(default_factory=dict)
    latency_s: dict[str, float] = field(default_factory=dict)
    start_s: float = 0.0
    predict_s: float = 0.0
    peak_memory_bytes: int = 0
    oom_killed: bool = False
    logs: str = ""


@dataclass(frozen=True)
class RunCallbacks:
    """How a run talks to its owner while it goes on.

    answered(case_id, answer, latency_s) after each case; stage(name) as stages begin;
    is_cancelled() is asked several times a second. log(text), hint(sentence): what a trial's model has printed so far,
    and what can be said of it already. note(sentence): what is worth knowing of a trial's image, however it ends.
    """

    answered: Callable[[str, Any, float], None] = lambda case_id, answer, latency_s: None
    stage: Callable[[str], None] = lambda name: None
    is_cancelled: Callable[[], bool] = lambda: False
    log: Callable[[str], None] = lambda text: None
    hint: Callable[[str], None] = lambda sentence: None
    note: Callable[[str], None] = lambda sentence: None


class Runner(Protocol):
    """One container contract: `run` returns a RunResult or raises a RunError; nothing of it stays."""

    def run(self, request: RunRequest, watcher: RunCallbacks) -> RunResult: ...


class Lines(Protocol):
    """The output of an attached container. ended: nothing more will come."""

    ended: bool

    def lines(self, wait_s: float) -> list[bytes]:
        """Return the whole lines that came within `wait_s`; at once when there are some."""
        ...


class Engine(Protocol):
    """A container engine, spoken to by one thread. Each call has a time-out.

    Raises EngineFault for whatever goes wrong on the engine's side; ContainerFault where the image is to blame.
    """

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine."""
        ...

    def close(self) -> None: ...

    def twin(self) -> Engine:
        """Return a connection of its own to the same engine, for another thread."""
        ...

    def facts(self) -> EngineFacts:
        """Return versions, runtimes, storage driver and root of the engine."""
        ...

    def capacity(self) -> tuple[int, int]:
        """Return CPUs and bytes of memory of the engine's machine; 0 where it does not say."""
        ...

    def image(self, reference: str) -> EngineImage | None:
        """Return what is known of an image, or None if the engine has none by that name."""
        ...

    def load(self, archive: Iterable[bytes]) -> str:
        """Load an archive; return the ID the engine gave the image, "" if it does not say."""
        ...

    def tags(self, repository: str) -> dict[str, list[str]]:
        """Return the tags below a repository name, by image ID."""
        ...

    def tag(self, image_id: str, repository: str, version: str) -> None: ...

    def remove_image(self, reference: str) -> bool:
        """Remove a tag or an image; False where it is in use, or gone already."""
        ...

    def create(self, spec: ContainerSpec, *, is_untrusted: bool = False) -> str:
        """Create a container and return its id. Raises AttemptTaken if its name is in use."""
        ...

    def stat(self, container_id: str, path: str) -> tuple[int, str]:
        """Return (mode as Go has it, where a link leads in the end); (0, "") where nothing is; opens no file.

        Where something is that cannot be reached, the mode has a bit that Go's has not.
        """
        ...

    def start(self, container_id: str, *, is_untrusted: bool = False) -> None: ...

    def state(self, container_id: str) -> ContainerState: ...

    def inspect(self, container_id: str) -> dict[str, Any]: ...

    def memory(self, container_id: str) -> int:
        """Return the highest memory use known in bytes."""
        ...

    def kill(self, container_id: str) -> None:
        """End it at once; one that has ended already is fine."""
        ...

    def remove(self, container_id: str) -> None:
        """Remove it with its anonymous volumes; one that is gone already is fine."""
        ...

    def logs(self, container_id: str) -> str:
        """Return the end of what it printed, as text without control characters."""
        ...

    def run_in(self, container_id: str, command: list[str]) -> tuple[int, str]:
        """Run a command in one of our own containers; return its exit code and output."""
        ...

    def attached(self, container_id: str) -> AbstractContextManager[Lines]:
        """Give the standard output of a container as it comes. Attach before start."""
        ...

    def read_archive(self, container_id: str, path: str, limit_bytes: int) -> tarfile.TarFile | None:
        """Return a folder or file of a container as a tar; None if there is none."""
        ...

    def open_archive(self, container_id: str, path: str) -> AbstractContextManager[Any]:
        """Give a folder or file of a container as a stream of a tar, None if there is none."""
        ...

    def write_archive(self, container_id: str, path: str, archive: Iterable[bytes]) -> None:
        """Unpack a tar into a folder of one of our own containers, with the owners its headers name."""
        ...

    def volume_folder(self, name: str) -> str:
        """Return where a volume lies on the engine's machine."""
        ...

    def create_root_volume(self, name: str, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        """Make the volume in memory that a model's writable folders lie in: programs in it may be run."""
        ...

    def create_volume(self, volume: OutputVolume, labels: Mapping[str, str], size_mib: int, inodes: int) -> None:
        """Make a volume in memory, bounded in bytes and in files."""
        ...

    def remove_volume(self, name: str) -> None: ...

    def own_containers(self, labels: Mapping[str, str]) -> list[OwnContainer]:
        """Return the containers that carry all of `labels`."""
        ...

    def own_volumes(self, labels: Mapping[str, str]) -> dict[str, Mapping[str, str]]:
        """Return the labels of the volumes that carry all of `labels`, by volume name."""
        ...
