"""What a failed trial leaves to be explained, whichever contract it ran under."""

from __future__ import annotations

from functools import partial

from submissions.runner.base import TRIAL, ContainerFault, Limits, RunCallbacks, RunRequest
from submissions.runner.diagnosis import Evidence
from submissions.runner.model_body import ImageReading
from submissions.runner.start_program import start_fault_of
from submissions.runner.values import MIB
from submissions.runner.writable.folders import kept_mib


def evidence_of(error: ContainerFault, limits: Limits, reading: ImageReading | None, peak_bytes: int) -> Evidence:
    """Return the evidence of an error that has its logs already. reading: of the image, where it came to that."""
    command, command_fault = start_fault_of(reading.contents, reading.image, error.logs) if reading else ("", "")
    return Evidence(
        error.code,
        logs=error.logs,
        note=error.note,
        status=error.status,
        answer=error.answer,
        exit_code=error.exit_code,
        wanted_output=error.wanted_output,
        outputs=error.outputs,
        command=command,
        command_fault=command_fault,
        gpu=limits.gpu,
        memory_mib=limits.memory_mib,
        shm_mib=limits.shm_mib,
        peak_mib=peak_bytes // MIB,
        too_large=reading.facts.choice.too_large if reading else (),
        kept_mib=kept_mib(limits.root_mib),
        working_dir=reading.image.working_dir if reading else "/",
        user=_user_of(reading),
        is_closed=partial(reading.contents.is_closed, home=reading.facts.identity.home) if reading else None,
    )


def _user_of(reading: ImageReading | None) -> str:
    """Return an image's USER as its Dockerfile has it, "" where that is root or cannot be resolved."""
    is_another = reading is not None and not reading.facts.identity.owns_as_root
    return reading.image.user if reading is not None and is_another else ""


def tell_read_only(reading: ImageReading, request: RunRequest, watcher: RunCallbacks) -> None:
    """Say in a trial which of the image's folders stay read-only since they hold too much."""
    sentence = reading.facts.choice.left_read_only(request.limits.root_mib)
    if sentence and request.stage == TRIAL:
        watcher.note(sentence)
