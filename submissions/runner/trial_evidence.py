"""What a failed trial leaves to be explained, whichever contract it ran under."""

from __future__ import annotations

from submissions.runner.base import ContainerFault, Limits
from submissions.runner.diagnosis import Evidence
from submissions.runner.engine.image_contents import ImageContents
from submissions.runner.start_program import start_fault_of
from submissions.runner.values import MIB


def evidence_of(error: ContainerFault, limits: Limits, contents: ImageContents | None, peak_bytes: int) -> Evidence:
    """Return the evidence of an error that has its logs already. contents: of the image, for its start program."""
    command, command_fault = start_fault_of(contents, error.logs) if contents else ("", "")
    return Evidence(
        error.code,
        logs=error.logs,
        status=error.status,
        answer=error.answer,
        exit_code=error.exit_code,
        command=command,
        command_fault=command_fault,
        gpu=limits.gpu,
        memory_mib=limits.memory_mib,
        shm_mib=limits.shm_mib,
        peak_mib=peak_bytes // MIB,
    )
