"""CT volumes of a new dataset: checked, and resampled if the caller asks for it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from submissions.datasets.progress import SILENT, Progress
from submissions.datasets.table import DatasetError

VOLUME_SUFFIXES = (".mha",)


@contextmanager
def checked_volumes(
    images: Path, names: Iterable[str], resample_mm: float | None, progress: Progress = SILENT
) -> Iterator[Path]:
    """Give the folder to store from: `images`, or a temporary one with the resampled volumes.

    names: the images, relative to the folder; pictures need no check here. Raises DatasetError naming each volume
    that SimpleITK or the site's own reader cannot open, or for which the two disagree about the position in the
    patient.
    """
    volumes = [name for name in names if name.lower().endswith(VOLUME_SUFFIXES)]
    if resample_mm and not volumes:
        raise DatasetError(["pictures have no spacing in mm; leave --resample-mm out"])
    with tempfile.TemporaryDirectory(prefix="lunasite-volumes-", dir=settings.DATA_DIR) as folder:
        progress.step("opening the volumes", len(volumes))
        found = zip(volumes, _checked(images, Path(folder), volumes, resample_mm, progress), strict=True)
        if problems := [f"the image {name!r} {problem}" for name, problem in found if problem]:
            raise DatasetError(problems)
        yield Path(folder) if resample_mm else images


def _checked(
    images: Path, into: Path, names: list[str], resample_mm: float | None, progress: Progress
) -> list[str | None]:
    """Return a problem or None for each volume; a crash of the checking process is a problem of that volume only."""
    answers: list[str | None] = []
    while len(answers) < len(names):
        rest = names[len(answers) :]
        work = {
            "reader": settings.CT_READER,
            "resample_mm": resample_mm,
            "volumes": [[str(images / name), str(into / name)] for name in rest],
        }
        exit_code = _run(work, answers, progress)
        if exit_code and len(answers) < len(names):
            answers.append(f"ended the process that checks it (exit code {exit_code})")
    return answers


def _run(work: dict[str, Any], answers: list[str | None], progress: Progress) -> int:
    """Add the answers of one checking process as they come; return its exit code. It never outlives this call."""
    command = [sys.executable, "-m", "submissions.datasets.volume_check"]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=settings.BASE_DIR
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None, "both are pipes"  # noqa: PT018
        try:
            process.stdin.write(json.dumps(work))
            process.stdin.close()
            for line in process.stdout:
                answers.append(json.loads(line))
                progress.advance()
        except BaseException:
            process.kill()
            raise
        if process.wait() == 1:  # an unexpected exception: not the volume's fault
            errors.seek(0)
            raise RuntimeError(errors.read())
        return process.returncode
