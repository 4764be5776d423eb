"""Lay a dataset's images out where the engine can mount them, once for each content hash."""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from submissions.faults import PlatformError, SharedPart
from submissions.kinds import Kind
from submissions.models import Case, Dataset
from submissions.runner.base import RunCase
from submissions.storage.base import FULL, StorageAway, StorageError
from submissions.storage.files import store

# Of the public sample cases, so many are tried before the hidden ones.
MAX_SMOKE_CASES = 10
# A fixed time, so that a file's date says nothing.
EPOCH_NS = (946_684_800 * 10**9, 946_684_800 * 10**9)
HEADER_BYTES = 64 * 1024
HEADER_END = re.compile(rb"^[ \t]*ElementDataFile[ \t]*=[^\n]*\n", re.IGNORECASE | re.MULTILINE)
# What describes the voxels; anything else in a header may name the patient or the label.
GEOMETRY_KEYS = frozenset(
    """
    objecttype ndims binarydata binarydatabyteordermsb elementbyteordermsb compresseddata compresseddatasize
    transformmatrix rotation offset position origin orientation centerofrotation anatomicalorientation
    elementspacing elementsize dimsize elementtype elementnumberofchannels elementdatafile headersize
    """.split()  # noqa: SIM905
)


def trial_cases(dataset: Dataset) -> list[Case]:
    """Return the sample cases that a trial runs on, at most ten: of each class in turn, so that they can be scored."""
    waiting: dict[str, list[Case]] = {}
    for case in dataset.sample_cases().exclude(image=""):
        waiting.setdefault(dataset.task.class_of(case.truth), []).append(case)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*waiting.values()))
    return [case for case in in_turn if case is not None][:MAX_SMOKE_CASES]


def run_cases(dataset: Dataset, cases: list[Case], root: Path) -> list[RunCase]:
    """Return the cases as the runner wants them, their images laid out below `root`.

    Names below `root` say nothing: they are digests of the storage key. Raises PlatformError.
    """
    folder = root / dataset.content_hash[:32]
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    return [_run_case(case, _laid_out(case, folder), dataset.task) for case in cases]


def _run_case(case: Case, path: Path, kind: Kind) -> RunCase:
    series = kind.series_key(case.facts) or case.public_id
    return RunCase(case_id=case.public_id, image_path=path, series_key=series, facts=case.facts)


def _laid_out(case: Case, folder: Path) -> Path:
    if not case.image:
        raise PlatformError("SYSTEM_DATASET", f"case {case.pk} has no image")
    name = sha256(case.image.encode()).hexdigest()[:24] + Path(case.image).suffix.lower()
    target = folder / name
    if not target.is_file():
        part = target.with_name(f".{name}.{os.getpid()}.{threading.get_ident()}")
        try:
            _copy(case.image, part)
            part.chmod(0o644)
            os.utime(part, ns=EPOCH_NS)
            part.rename(target)
        except StorageAway:
            raise
        except OSError as error:
            code = "SYSTEM_DISK" if error.errno in FULL else "SYSTEM_DATASET"
            raise PlatformError(code, f"image of case {case.pk}: {error}") from error
        except StorageError as error:
            shared = SharedPart("dataset", str(case.dataset_id), case.image)  # type: ignore[attr-defined]
            raise PlatformError("SYSTEM_DATASET", f"image of case {case.pk}: {error}", shared=shared) from error
        finally:
            part.unlink(missing_ok=True)
    return target


def _copy(key: str, target: Path) -> None:
    with open(target, "wb") as out:
        for piece in image_pieces(key):
            out.write(piece)


def image_pieces(key: str) -> Iterator[bytes]:
    """Yield an image as containers get it: the header of a MetaImage keeps its geometry alone. Raises StorageError."""
    with store("datasets").pieces(key) as pieces:
        yield from geometry_only(pieces) if key.lower().endswith(".mha") else pieces


def geometry_only(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a MetaImage file whose header keeps only what describes the voxels.

    A file that does not begin with such a header is passed on as it is.
    """
    head = b""
    for piece in pieces:
        head += piece
        if HEADER_END.search(head) or len(head) > HEADER_BYTES:
            break
    if end := HEADER_END.search(head, 0, HEADER_BYTES):
        lines = head[: end.end()].splitlines(keepends=True)
        head = b"".join(line for line in lines if _is_geometry(line)) + head[end.end() :]
    yield head
    yield from pieces


def _is_geometry(line: bytes) -> bool:
    return line.partition(b"=")[0].strip().lower().decode("latin-1") in GEOMETRY_KEYS
