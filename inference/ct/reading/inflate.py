"""Inflate a zlib or gzip stream forward in small pieces, without trusting any declared size."""

import os
from collections.abc import Callable

from isal import igzip_lib

from .errors import InvalidImageFile
from .padding import MAX_PADDING_BYTES, is_padding

INPUT_BYTES = 128 * 1024
OUTPUT_BYTES = 256 * 1024
# MetaIO writes zlib, and reads gzip too.
GZIP_MARK = b"\x1f\x8b"


class ZlibStream:
    """Bytes of a compressed stream in a file, in order.

    fd: an open file; start_bytes, size_bytes: where the stream lies in it, and how long it is.
    INPUT_BYTES and OUTPUT_BYTES bound the memory, whatever the stream contains.
    """

    def __init__(self, fd: int, start_bytes: int, size_bytes: int) -> None:
        self._fd = fd
        self._position = start_bytes
        self._end = start_bytes + size_bytes
        is_gzip = os.pread(fd, min(2, size_bytes), start_bytes) == GZIP_MARK
        flag = igzip_lib.DECOMP_GZIP if is_gzip else igzip_lib.DECOMP_ZLIB
        self._inflater = igzip_lib.IgzipDecompressor(flag=flag)
        self._rest = memoryview(b"")

    def read_into(self, target: memoryview) -> None:
        """Fill `target` with the next bytes. Raises InvalidImageFile when the stream ends too early."""
        filled = 0

        def keep(piece: memoryview) -> None:
            nonlocal filled
            target[filled : filled + len(piece)] = piece
            filled += len(piece)

        self._take(len(target), keep)

    def skip(self, count: int, look: Callable[[memoryview], None] = lambda _piece: None) -> None:
        """Skip the next bytes, showing them to `look`. Raises InvalidImageFile when the stream ends too early."""
        self._take(count, look)

    def finish(self) -> None:
        """Check that the stream ends here, is complete, has the right checksum and is followed by padding only.

        A few extra bytes count as damage; more than a whole piece is DATA_LENGTH, because the stream may never end.
        """
        if more := len(self._rest) + len(self._next_output()):
            code = "DATA_LENGTH" if more >= OUTPUT_BYTES else "DATA_CORRUPT"
            raise InvalidImageFile(
                code, "The compressed voxels are more than DimSize and ElementType say: correct the header."
            )
        if not is_padding(self._tail()):
            raise InvalidImageFile("DATA_CORRUPT", "There are bytes after the compressed voxels: write the file anew.")

    def _tail(self) -> bytes:
        """Return the bytes after the stream, only as many as are needed to tell whether they are padding."""
        rest = os.pread(self._fd, min(MAX_PADDING_BYTES + 1, self._end - self._position), self._position)
        return self._inflater.unused_data + rest

    def _take(self, count: int, use: Callable[[memoryview], None]) -> None:
        while count:
            if not self._rest:
                self._rest = memoryview(self._next_output())
            if not self._rest:
                raise InvalidImageFile(
                    "DATA_CORRUPT",
                    "The compressed voxels are fewer than DimSize and ElementType say: correct the header.",
                )
            piece, self._rest = self._rest[:count], self._rest[count:]
            use(piece)
            count -= len(piece)

    def _next_output(self) -> bytes:
        """Return the next bytes, or an empty result at the end of the stream."""
        while not self._inflater.eof:
            data = self._inflate(self._next_input() if self._inflater.needs_input else b"")
            if data:
                return data
        return b""

    def _next_input(self) -> bytes:
        data = os.pread(self._fd, min(INPUT_BYTES, self._end - self._position), self._position)
        if not data:
            raise InvalidImageFile("DATA_CORRUPT", "The compressed voxels end too early: send the whole file.")
        self._position += len(data)
        return data

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self._inflater.decompress(data, OUTPUT_BYTES)
        except igzip_lib.error as error:  # type: ignore[misc]  # the stub calls it a value
            raise InvalidImageFile(
                "DATA_CORRUPT", "The compressed voxels are damaged, or not a zlib stream: write the file anew."
            ) from error
