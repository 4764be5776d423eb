"""Decoded volumes on this machine's disk, mapped into memory: a slice reads its own pages and nothing else.

A slice of a compressed volume would otherwise inflate all of it each time. An uncompressed volume in a local store is
mapped where it lies. The cache is bounded in bytes; what was used longest ago goes first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from inference.ct.reading.metaimage import ScanFile, open_scan
from inference.ct.volume import Grid
from submissions.storage.base import StorageError
from submissions.storage.files import on_this_machine, store

MAX_BYTES = 8 * 2**30
MAX_AT_ONCE = 2
USED_AGAIN_S = 60  # how often a use is noted


@dataclass(frozen=True, eq=False)
class MappedVolume:
    """voxels: (z, y, x) in the scan's stored number type, read from disk as they are looked at."""

    voxels: NDArray[np.generic]
    grid: Grid


def mapped_volume(key: str) -> MappedVolume:
    """Return the volume stored under `key` in the datasets store. Raises InvalidImageFile, StorageError, OSError."""
    local = store("datasets").local_path(key)
    if local is not None:
        with open_scan(local) as scan:
            if not scan.header.is_compressed:
                return MappedVolume(_mapped_in_place(local, scan), scan.grid)
    return _decoded(key)


def is_at_hand(key: str) -> bool:
    """Return whether the volume lies decoded on this machine. Raises InvalidImageFile, StorageError, OSError."""
    if _voxels_path(key).with_suffix(".npz").is_file():
        return True
    local = store("datasets").local_path(key)
    if local is None:
        return False
    with open_scan(local) as scan:
        return not scan.header.is_compressed


def _voxels_path(key: str) -> Path:
    return folder() / f"{sha256(key.encode()).hexdigest()[:32]}.npy"


def _mapped_in_place(path: Path, scan: ScanFile) -> NDArray[np.generic]:
    shape, dtype = scan.grid.shape_zyx, scan.header.dtype
    return np.memmap(path, dtype=dtype, mode="r", offset=scan.data_start_bytes, shape=shape)


def _decoded(key: str) -> MappedVolume:
    """Return the decoded volume from the cache, where the first to ask for it puts it."""
    voxels_path = _voxels_path(key)
    grid_path = voxels_path.with_suffix(".npz")
    if not grid_path.is_file():
        with _one_at_a_time(voxels_path):
            if not grid_path.is_file():
                with _slot() as part:
                    _decode(key, part, voxels_path, grid_path)
    _note_use(grid_path)
    try:
        return MappedVolume(np.load(voxels_path, mmap_mode="r"), _read_grid(grid_path))
    except FileNotFoundError as error:  # dropped by another process between the two looks
        grid_path.unlink(missing_ok=True)
        raise StorageError("a decoded volume was dropped while it was opened; it comes again with the next") from error


def _decode(key: str, part: Path, voxels_path: Path, grid_path: Path) -> None:
    with on_this_machine(key, "datasets", folder()) as path, open_scan(path) as scan:
        _make_room(scan.header.pixel_bytes)
        try:
            shape, dtype = scan.grid.shape_zyx, scan.header.dtype
            voxels = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=shape)
            scan.read_into(voxels)
            voxels.flush()
            part.replace(voxels_path)
            _write_grid(grid_path, scan.grid)
        finally:
            part.unlink(missing_ok=True)


def folder() -> Path:
    path = Path(settings.DATA_DIR) / "cache" / "volumes"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


@contextmanager
def _one_at_a_time(voxels_path: Path) -> Iterator[None]:
    """Let one process decode a volume, while others wait for it.

    The lock's file is removed by who holds it, and by nobody else: who waited for it locks the next one.
    """
    path = voxels_path.with_suffix(".lock")
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_file_at(path, lock):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_file_at(path: Path, file: IO[str]) -> bool:
    """Return whether an open file still lies under its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


@contextmanager
def _slot() -> Iterator[Path]:
    """Let few volumes be decoded at once on this machine, each into its slot's file. Raises StorageError if all are.

    Sample cases are shown to anybody, and those of a large dataset are more than the cache holds. What a killed process
    has left in a slot, the next one overwrites.
    """
    for number in range(MAX_AT_ONCE):
        slot = folder() / f"slot{number}.lock"
        with slot.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield slot.with_suffix(".part")
            return
    raise StorageError("other volumes are being decoded")


def _make_room(size_bytes: int) -> None:
    """Drop the volumes that were used longest ago until this one fits. Raises StorageError on a full disk."""
    kept = sorted(folder().glob("*.npy"), key=lambda path: _used_at(path.with_suffix(".npz")))
    total = sum(map(_size, kept))
    while kept and (total + size_bytes > MAX_BYTES or _is_short_of(size_bytes)):
        voxels_path = kept.pop(0)
        total -= _size(voxels_path)
        for path in (voxels_path.with_suffix(".npz"), voxels_path):
            path.unlink(missing_ok=True)
    if _is_short_of(size_bytes):
        raise StorageError("DATA_DIR has too little room for a decoded volume", "SYSTEM_DISK")


def _is_short_of(size_bytes: int) -> bool:
    return shutil.disk_usage(folder()).free < size_bytes + settings.FREE_SPACE_BYTES


def _used_at(path: Path) -> float:
    """Return when a volume was used last; 0 where another process has dropped it meanwhile."""
    return path.stat().st_mtime if path.is_file() else 0.0


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _note_use(path: Path) -> None:
    if path.is_file() and time.time() - path.stat().st_mtime > USED_AGAIN_S:
        os.utime(path)


def _write_grid(path: Path, grid: Grid) -> None:
    """Write the grid last and in one step: who sees it finds the voxels, too."""
    part = path.with_suffix(f".{os.getpid()}.grid")
    with part.open("wb") as file:
        np.savez(
            file, shape=grid.shape_zyx, spacing=grid.spacing_xyz_mm, origin=grid.origin_xyz_mm, direction=grid.direction
        )
    part.replace(path)


def _read_grid(path: Path) -> Grid:
    with np.load(path) as kept:
        z, y, x = kept["shape"].tolist()
        return Grid((z, y, x), kept["spacing"], kept["origin"], kept["direction"])
