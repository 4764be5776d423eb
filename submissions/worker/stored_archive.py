"""A submission's archive as a file that can be read twice: in place, or fetched from the object store."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings

from submissions.models import ModelArchive, Submission
from submissions.storage.base import MissingFile
from submissions.storage.files import fetch_to, head_of, store


@contextlib.contextmanager
def stored_archive(
    submission: Submission | ModelArchive, *, check: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """Give the path of a stored archive. check: called while fetching; may raise to stop it.

    Raises StorageError.
    """
    local = store().local_path(submission.file)
    if local is not None:
        if not local.is_file():
            head_of(submission.file, 1)  # raises StorageAway where more than this file is away
            raise MissingFile(f"{submission.file} is missing")
        yield local
        return
    folder = Path(settings.DATA_DIR) / "scratch"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="archive-") as file:
        path = Path(file.name)
        fetch_to(path, submission.file, sha256=submission.sha256, check=check)
        yield path
