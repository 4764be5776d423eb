"""The values a run is made of, and what can go wrong with it.

RunError
 +-- ContainerFault     the participant's: a code of the failure table, a note they may read
 +-- EngineFault        ours: SYSTEM_ENGINE, SYSTEM_DISK; retried
 |    +-- AttemptTaken  another worker holds the containers of this very attempt
 +-- RunCancelled       somebody asked to stop
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from submissions.kinds import Kind


class RunError(Exception):
    """A run that ended without answers.

    code: a failure code. note: a sentence its team may read: never model output, never an engine
    text. staff_detail: whatever helps staff. answered: cases answered before it happened. logs: the
    end of what the model printed, to be shown as the stage allows.
    """

    def __init__(self, code: str, note: str = "", *, staff_detail: str = "", answered: int = 0) -> None:
        super().__init__(f"{code}: {note}")
        self.code = code
        self.note = note
        self.staff_detail = staff_detail
        self.answered = answered
        self.logs = ""


class ContainerFault(RunError):
    """The participant's container did it."""


class EngineFault(RunError):
    """The engine or this machine did it; the attempt may be repeated."""

    def __init__(self, note: str = "", *, code: str = "SYSTEM_ENGINE", staff_detail: str = "") -> None:
        super().__init__(code, note, staff_detail=staff_detail)


class AttemptTaken(EngineFault):
    """Containers of this evaluation and attempt exist already: not mine to run."""


class RunCancelled(RunError):
    """The run was asked to stop; containers are gone when this is raised."""

    def __init__(self) -> None:
        super().__init__("CANCELLED", "Cancelled.")


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
    shm_mib: int = 256
    output_mib: int = 16
    output_files: int = 1000
    response_bytes: int = 1 << 20


def limits_with(*, memory_mib: int, **others: Any) -> Limits:
    """Return limits whose tmpfs sizes follow from the memory, which they count toward.

    memory_mib: as phases and frozen limits name it; a mebibyte each.
    """
    tmp_mib, shm_mib = max(64, memory_mib // 4), max(64, memory_mib // 16)
    return Limits(memory_mib=memory_mib, tmp_mib=tmp_mib, shm_mib=shm_mib, **others)


@dataclass
class RunCase:
    """One case as the runner sees it: no truth.

    case_id stays here: containers get neutral names. x_mm, y_mm, z_mm: patient space, LPS, or None.
    metadata: further columns of the dataset, of which the kind sends a few.
    """

    case_id: str
    image_path: Path
    series_key: str
    x_mm: float | None = None
    y_mm: float | None = None
    z_mm: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One case under the neutral names a container sees in this attempt."""

    number: int
    case: RunCase
    series_uid: str
    lesion_id: int


@dataclass(frozen=True)
class RunRequest:
    """Everything one run needs. `run_dir` is this attempt's own folder, `cases_root` holds all images;
    both are paths the engine can mount. `done` are cases answered by an earlier attempt."""

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
    is_cancelled() is asked several times a second.
    """

    answered: Callable[[str, Any, float], None] = lambda case_id, answer, latency_s: None
    stage: Callable[[str], None] = lambda name: None
    is_cancelled: Callable[[], bool] = lambda: False


class Runner(Protocol):
    """One container contract: `run` returns a RunResult or raises a RunError; nothing of it stays."""

    def run(self, request: RunRequest, watcher: RunCallbacks) -> RunResult: ...
