"""Refuse scans in which any voxel is NaN or infinite, also where no answer looks."""

import os

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidImageFile

PIECE_BYTES = 1 << 20


def check_finite(array: NDArray[np.generic]) -> None:
    """Raise InvalidImageFile(DATA_NOT_FINITE) unless every number is finite; whole numbers always are."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidImageFile(
            "DATA_NOT_FINITE",
            "Some voxels are not finite numbers (NaN or infinite): replace them, such as with -1024; if the scan holds "
            "whole numbers, correct ElementType.",
        )


def check_finite_file(fd: int, start_bytes: int, size_bytes: int, dtype: np.dtype[np.generic]) -> None:
    """Read plain voxels of a file once, a piece at a time, and raise InvalidImageFile as check_finite."""
    for at in range(0, size_bytes, PIECE_BYTES):
        check_finite(np.frombuffer(os.pread(fd, min(PIECE_BYTES, size_bytes - at), start_bytes + at), dtype))


class FiniteWatch:
    """Check bytes of voxels as they pass, in pieces that may end within a number."""

    def __init__(self, dtype: np.dtype[np.generic]) -> None:
        self._dtype = dtype
        self._rest = b""

    def __call__(self, piece: memoryview) -> None:
        """Raises InvalidImageFile as check_finite."""
        data = self._rest + bytes(piece)
        whole = len(data) - len(data) % self._dtype.itemsize
        self._rest = data[whole:]
        check_finite(np.frombuffer(data[:whole], self._dtype))
