"""CT volumes of a new dataset: checked, and resampled if the caller asks for it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from submissions.datasets.table import DatasetError

VOLUME_SUFFIXES = (".mha",)


@contextmanager
def checked_volumes(images: Path, names: Iterable[str], resample_mm: float | None) -> Iterator[Path]:
    """Give the folder to store from: `images`, or a temporary one with the resampled volumes.

    names: the images, relative to the folder; pictures need no check here. Raises DatasetError naming each volume
    that SimpleITK or the site's own reader cannot open, or for which the two disagree about the position in the
    patient.
    """
    volumes = [name for name in names if name.lower().endswith(VOLUME_SUFFIXES)]
    if resample_mm and not volumes:
        raise DatasetError(["pictures have no spacing in mm; leave --resample-mm out"])
    with tempfile.TemporaryDirectory(prefix="lunasite-volumes-", dir=settings.DATA_DIR) as folder:
        found = zip(volumes, _checked(images, Path(folder), volumes, resample_mm), strict=True)
        if problems := [f"the image {name!r} {problem}" for name, problem in found if problem]:
            raise DatasetError(problems)
        yield Path(folder) if resample_mm else images


def _checked(images: Path, into: Path, names: list[str], resample_mm: float | None) -> list[str | None]:
    """Return a problem or None for each volume; a crash of the checking process is a problem of that volume only."""
    answers: list[str | None] = []
    while len(answers) < len(names):
        rest = names[len(answers) :]
        work = {
            "reader": settings.CT_READER,
            "resample_mm": resample_mm,
            "volumes": [[str(images / name), str(into / name)] for name in rest],
        }
        done = subprocess.run(
            [sys.executable, "-m", "submissions.datasets.volume_check"],
            input=json.dumps(work), capture_output=True, text=True, cwd=settings.BASE_DIR,
        )  # fmt: skip
        answers += [json.loads(line) for line in done.stdout.splitlines()]
        if done.returncode == 1:  # an unexpected exception: not the volume's fault
            raise RuntimeError(done.stderr)
        if done.returncode and len(answers) < len(names):
            answers.append(f"ended the process that checks it (exit code {done.returncode})")
    return answers
