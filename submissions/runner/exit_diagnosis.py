"""Exit diagnosis: whose fault it was, decided from the container's state and never from what it says of itself."""

from __future__ import annotations

from submissions.runner.base import ContainerFault, RunError
from submissions.runner.values import ContainerState

# Words of the C library, which every language prints; they choose a hint, not whose fault it was.
DISK_FULL = ("no space left on device", "errno 28", "enospc")
READ_ONLY = ("read-only file system", "errno 30", "erofs")
# What the init and every shell say when a command is not there or is no program.
NOT_STARTABLE = (126, 127)
READ_ONLY_HINT = "Only its writable folders and /tmp can be written to."


def classify_exit(
    state: ContainerState, logs: str, *, may_name_exit_code: bool, while_doing: str, has_answered: bool
) -> ContainerFault:
    """Return the fault of a model that is gone: out of memory, not startable, or simply ended."""
    fault = _classified(state, logs, may_name_exit_code, while_doing, has_answered)
    fault.exit_code = state.exit_code
    return fault


def _classified(
    state: ContainerState, logs: str, may_name_exit_code: bool, while_doing: str, has_answered: bool
) -> ContainerFault:
    staff_detail = f"exit code {state.exit_code}, OOMKilled {state.oom_killed}. {state.error}".strip()
    if state.oom_killed:
        return ContainerFault("OUT_OF_MEMORY", f"It was stopped {while_doing}.", staff_detail=staff_detail)
    if state.exit_code in NOT_STARTABLE and not has_answered:
        return ContainerFault(
            "CONTAINER_START",
            "Its command, or one that its start script calls, could not be run.",
            staff_detail=staff_detail,
        )
    if _mentions(logs, DISK_FULL):
        return ContainerFault("DISK_LIMIT", f"It ended {while_doing}.", staff_detail=staff_detail)
    how = f" with exit code {state.exit_code}" if may_name_exit_code else ""
    hint = f" {READ_ONLY_HINT}" if _mentions(logs, READ_ONLY) else ""
    return ContainerFault("CONTAINER_EXITED", f"It ended{how} {while_doing}.{hint}", staff_detail=staff_detail)


def refine_exit(fault: ContainerFault, state: ContainerState, logs: str) -> ContainerFault:
    """Return the fault of a model that still runs, with what its state and log tail explain."""
    if fault.code not in ("BAD_RESPONSE", "BAD_PREDICTION", "PREDICT_TIMEOUT"):
        return fault
    if state.oom_killed:
        return _with_code(fault, "OUT_OF_MEMORY", "One of its processes was stopped.")
    if fault.code == "BAD_RESPONSE" and _mentions(logs, DISK_FULL):
        return _with_code(fault, "DISK_LIMIT", fault.note)
    return fault


def with_count(error: RunError, answered: int, total: int) -> RunError:
    """Add "k of n answered" to a note."""
    error.answered = answered
    error.note = f"{error.note} {answered} of {total} cases were answered.".strip()
    return error


def _with_code(fault: ContainerFault, code: str, note: str) -> ContainerFault:
    changed = ContainerFault(code, note, staff_detail=f"was {fault.code}. {fault.staff_detail}")
    changed.status, changed.answer = fault.status, fault.answer
    return changed


def _mentions(logs: str, words: tuple[str, ...]) -> bool:
    lowered = logs.lower()
    return any(word in lowered for word in words)
