"""Pack predictions into one compressed array, which an Evaluation stores bit for bit."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from .base import Floats

MAGIC = b"LP1"
MAX_BYTES = 512 * 1024 * 1024


def pack(predictions: Floats) -> bytes:
    """Return `predictions`, (n,) or (n, classes) float64, as compressed bytes."""
    array = np.ascontiguousarray(predictions, dtype="<f8")
    sizes = struct.pack(f"<B{array.ndim}Q", array.ndim, *array.shape)
    # Grouping bytes of equal significance compresses about twice as well as whole doubles.
    planes = array.reshape(-1).view(np.uint8).reshape(-1, 8).T.tobytes()
    return MAGIC + sizes + zlib.compress(planes, 6)


def unpack(packed: bytes | memoryview) -> Floats:
    """Return the predictions given to `pack`. Raises ValueError if `pack` did not write the bytes."""
    packed = bytes(packed)
    if packed[:3] != MAGIC or packed[3:4] not in (b"\1", b"\2"):
        raise ValueError("these bytes hold no packed predictions")
    end = 4 + 8 * packed[3]
    try:
        shape = struct.unpack(f"<{packed[3]}Q", packed[4:end])
        return _inflate(packed[end:], shape)
    except (struct.error, zlib.error) as error:
        raise ValueError("packed predictions are damaged") from error


def _inflate(packed: bytes, shape: tuple[int, ...]) -> Floats:
    n_bytes = 8 * int(np.prod(shape, dtype=object))
    if n_bytes > MAX_BYTES:
        raise ValueError("packed predictions are too large")
    inflater = zlib.decompressobj()
    planes = inflater.decompress(packed, n_bytes + 1)
    if len(planes) != n_bytes or not inflater.eof:  # before its end, the stream's checksum is not compared
        raise ValueError("packed predictions are damaged")
    doubles = np.frombuffer(planes, dtype=np.uint8).reshape(8, -1).T
    return np.ascontiguousarray(doubles).view("<f8").reshape(shape).astype(np.float64)
