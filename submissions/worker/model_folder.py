"""A submission's model archive, laid out as the read-only folder its containers find at /opt/ml/model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from submissions.faults import PlatformError
from submissions.intake.model.archive import ModelLimits, unpack_model
from submissions.models import Submission
from submissions.worker.stored_archive import stored_archive

FREE_BYTES = 200 << 20
RATIO = 20


def model_folder(submission: Submission, folder: Path, check: Callable[[], None]) -> Path | None:
    """Unpack the archive into `folder`, which the engine can mount; None where the submission has none.

    check: called meanwhile; may raise to stop. Raises ParticipantError(MODEL_ARCHIVE), PlatformError, StorageError.
    """
    archive = submission.model_archive
    if archive is None:
        return None
    folder.mkdir()
    folder.chmod(0o755)  # whatever the umask: the container's user enters it
    limits = ModelLimits(expanded_bytes=FREE_BYTES + RATIO * archive.size_bytes)
    try:
        with stored_archive(archive, check=check) as path:
            unpack_model(path, folder, limits, check)
    except OSError as error:
        raise PlatformError("SYSTEM_DISK", str(error)) from error
    return folder
