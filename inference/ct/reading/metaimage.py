"""Read MetaImage scans (.mha, .mhd with its raw file): the header first, then only the requested voxels."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference.ct.volume import Block, CTVolume, Grid

from .errors import InvalidImageFile
from .finite import FiniteWatch, check_finite, check_finite_file
from .header import MAX_HEADER_BYTES, Header, parse_header
from .inflate import GZIP_MARK, ZlibStream
from .padding import MAX_PADDING_BYTES, is_padding
from .text_transfer import TEXT_NOTE, changed_voxels

# Deflate can expand one byte to a thousand. Real scans stay under 20; a large scan beyond 200 is a decompression bomb.
MAX_RATIO = 200
RATIO_FREE_BYTES = 64 * 1024**2
SAMPLE_BYTES = 64 * 1024
ITEM_BYTES = (1, 2, 4, 8)
MAX_LINE_ENDS = 8


@dataclass(frozen=True, eq=False)
class ScanFile:
    """An opened scan whose header has been checked. Close it, or use it in a `with`.

    data_fd, data_start_bytes, data_bytes: where its voxels, plain or compressed, lie.
    """

    header: Header
    data_fd: int
    data_start_bytes: int
    data_bytes: int

    @property
    def grid(self) -> Grid:
        return self.header.grid

    def read_blocks(self, blocks: list[Block]) -> list[NDArray[np.generic]]:
        """Return the voxels of each half-open block ((z, y, x) low, high), in native byte order.

        Compressed scans are always inflated to their end, so that a damaged file never yields an answer. Of a scan of
        floating-point numbers every voxel is looked at, also outside the blocks: a NaN anywhere refuses it.
        Raises InvalidImageFile with DATA_CORRUPT, DATA_LENGTH or DATA_NOT_FINITE.
        """
        arrays = [np.empty(_shape(block), dtype=self.header.dtype) for block in blocks]
        if self.header.is_compressed:
            self._inflate_blocks(blocks, arrays)
        else:
            for block, array in zip(blocks, arrays, strict=True):
                self._read_raw_block(block, array)
            if self.header.dtype.kind == "f":
                check_finite_file(self.data_fd, self.data_start_bytes, self.header.pixel_bytes, self.header.dtype)
        return [array.astype(array.dtype.newbyteorder("="), copy=False) for array in arrays]

    def read_into(self, voxels: NDArray[np.generic]) -> None:
        """Fill an array of the scan's shape and stored number type, such as one mapped from a file.

        No more than one slice is in memory beside it. Raises as read_blocks.
        """
        whole = ((0, 0, 0), self.grid.shape_zyx)
        if self.header.is_compressed:
            self._inflate_blocks([whole], [voxels])
            return
        self._read_raw_block(whole, voxels)
        if self.header.dtype.kind == "f":
            check_finite_file(self.data_fd, self.data_start_bytes, self.header.pixel_bytes, self.header.dtype)

    def read_volume(self) -> CTVolume:
        """Return the whole scan in memory. Raises as read_blocks."""
        [hu] = self.read_blocks([((0, 0, 0), self.grid.shape_zyx)])
        return CTVolume(hu, self.grid)

    def _read_raw_block(self, block: Block, array: NDArray[np.generic]) -> None:
        """Read the rows of one block: one pread per slice, whole rows, then the wanted columns."""
        (z0, y0, x0), (z1, y1, x1) = block
        _, ny, nx = self.grid.shape_zyx
        rows = np.empty((y1 - y0, nx), dtype=self.header.dtype)
        for z in range(z0, z1):
            offset = self.data_start_bytes + (z * ny + y0) * nx * self.header.dtype.itemsize
            _pread_exactly(self.data_fd, _bytes_of(rows), offset)
            array[z - z0] = rows[:, x0:x1]

    def _inflate_blocks(self, blocks: list[Block], arrays: list[NDArray[np.generic]]) -> None:
        """Inflate once from start to end, and keep the parts of each slice that a block needs."""
        nz, ny, nx = self.grid.shape_zyx
        row_bytes = nx * self.header.dtype.itemsize
        y_low = min((low[1] for low, _ in blocks), default=0)
        y_high = max((high[1] for _, high in blocks), default=0)
        rows = np.empty((y_high - y_low, nx), dtype=self.header.dtype)
        stream = ZlibStream(self.data_fd, self.data_start_bytes, self.data_bytes)
        look = FiniteWatch(self.header.dtype) if self.header.dtype.kind == "f" else _ignore
        skipped = 0
        for z in range(nz):
            wanted = [i for i, (low, high) in enumerate(blocks) if low[0] <= z < high[0]]
            if not wanted:
                skipped += ny * row_bytes
                continue
            stream.skip(skipped + y_low * row_bytes, look)
            stream.read_into(_bytes_of(rows))
            check_finite(rows)
            skipped = (ny - y_high) * row_bytes
            for i in wanted:
                (z0, y0, x0), (_, y1, x1) = blocks[i]
                arrays[i][z - z0] = rows[y0 - y_low : y1 - y_low, x0:x1]
        stream.skip(skipped, look)
        stream.finish()

    def close(self) -> None:
        os.close(self.data_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_scan(path: Path | str, raw_path: Path | str | None = None) -> ScanFile:
    """Open a .mha, or a .mhd with the raw file sent beside it, and check everything but the voxels.

    raw_path: the file sent as `rawFile`; the file named in the header is never opened.
    Raises InvalidImageFile with a HEADER_… code, FILE_SET, IMAGE_TOO_LARGE, DATA_LENGTH or DATA_CORRUPT.
    """
    with open(path, "rb") as file:
        head = file.read(MAX_HEADER_BYTES)
        header = parse_header(head)
        _check_file_set(header, raw_path)
        if header.data_start_bytes is None and os.fstat(file.fileno()).st_size > MAX_HEADER_BYTES:
            note = "The .mhd is longer than 64 KiB: send the header alone, and its voxels as rawFile."
            raise InvalidImageFile("HEADER_FORMAT", note)
    fd = os.open(raw_path if raw_path is not None else path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        start_bytes = header.data_start_bytes or 0
        sample = os.pread(fd, SAMPLE_BYTES, start_bytes)
        _refuse_empty_line(header, os.fstat(fd).st_size - start_bytes, sample)
        data_bytes = _without_padding(fd, start_bytes, _wanted_bytes(header))
        _check_size(header, data_bytes, sample)
    except BaseException:
        os.close(fd)
        raise
    return ScanFile(header, fd, start_bytes, data_bytes)


def read_volume(path: Path | str, raw_path: Path | str | None = None) -> CTVolume:
    """Return a whole scan in memory. Raises InvalidImageFile."""
    with open_scan(path, raw_path) as scan:
        return scan.read_volume()


def _check_file_set(header: Header, raw_path: Path | str | None) -> None:
    if header.data_start_bytes is None and raw_path is None:
        note = "The header names a data file: send the header as a .mhd, and that file along as rawFile."
        raise InvalidImageFile("FILE_SET", note)
    if header.data_start_bytes is not None and raw_path is not None:
        raise InvalidImageFile("FILE_SET", "The header says its voxels follow it (LOCAL): send no rawFile.")


def _wanted_bytes(header: Header) -> int | None:
    """Return how many bytes of data the header declares, or None where only the zlib stream determines it."""
    return header.compressed_bytes if header.is_compressed else header.pixel_bytes


def _refuse_empty_line(header: Header, data_bytes: int, sample: bytes) -> None:
    """Raise InvalidImageFile where line ends lie between header and voxels: these would be read a byte too early.

    No zlib stream begins with one; plain voxels may, but are then no more than the header says.
    """
    line_ends = len(sample) - len(sample.lstrip(b"\r\n"))
    extra = data_bytes - header.pixel_bytes
    is_between = line_ends > 0 if header.is_compressed else 0 < extra <= min(line_ends, MAX_LINE_ENDS)
    if header.data_start_bytes is not None and is_between:
        note = "An empty line follows the one of ElementDataFile, where the voxels must begin: remove it."
        raise InvalidImageFile("DATA_CORRUPT", note)


def _without_padding(fd: int, start_bytes: int, wanted_bytes: int | None) -> int:
    """Return how many bytes of data a file holds, without the padding at its end."""
    data_bytes = os.fstat(fd).st_size - start_bytes
    if wanted_bytes is None or not 0 < data_bytes - wanted_bytes <= MAX_PADDING_BYTES:
        return data_bytes
    tail = os.pread(fd, data_bytes - wanted_bytes, start_bytes + wanted_bytes)
    return wanted_bytes if is_padding(tail) else data_bytes


def _check_size(header: Header, data_bytes: int, sample: bytes) -> None:
    """sample: the first bytes of the data, to see why they are more or fewer than they should be."""
    if not header.is_compressed:
        if data_bytes != header.pixel_bytes:
            raise InvalidImageFile("DATA_LENGTH", _length_note(header, data_bytes, sample))
        return
    if header.compressed_bytes not in (None, data_bytes):
        if changed_voxels(sample):
            raise InvalidImageFile("DATA_CORRUPT", f"The compressed voxels are damaged. {TEXT_NOTE}")
        note = "CompressedDataSize does not match the file: send the file whole, or correct the size."
        raise InvalidImageFile("DATA_CORRUPT", note)
    if header.pixel_bytes > max(RATIO_FREE_BYTES, MAX_RATIO * data_bytes):
        raise InvalidImageFile(
            "IMAGE_TOO_LARGE",
            f"No scan this large compresses more than {MAX_RATIO} times: send it uncompressed.",
        )


def _length_note(header: Header, data_bytes: int, sample: bytes) -> str:
    promised = f"DimSize and ElementType promise {header.pixel_bytes} bytes of voxels"
    if data_bytes == 0:
        return f"{promised}, but none follow: send the whole file."
    if changed_voxels(sample):
        return f"{promised}, but there are {data_bytes}. {TEXT_NOTE}"
    if _is_compressed(sample):
        return f"{promised}, but there are {data_bytes}, which are compressed: write CompressedData = True."
    each, rest = divmod(data_bytes, header.pixel_bytes // header.dtype.itemsize)
    if rest == 0 and each in ITEM_BYTES:
        number = "one byte" if each == 1 else f"{each} bytes"
        return f"{promised}, but there are {data_bytes}, {number} a voxel: correct ElementType."
    cure = "send the whole file" if data_bytes < header.pixel_bytes else "correct the header"
    return f"{promised}, but there are {data_bytes}: {cure}."


def _is_compressed(sample: bytes) -> bool:
    """Return whether bytes are the beginning of a zlib or gzip stream."""
    if not sample.startswith((b"x", GZIP_MARK)):
        return False
    try:
        return len(zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(sample, 64)) > 0
    except zlib.error:
        return False


def _pread_exactly(fd: int, target: memoryview, offset: int) -> None:
    filled = 0
    while filled < len(target):
        count = os.preadv(fd, [target[filled:]], offset + filled)
        if count == 0:
            raise InvalidImageFile("DATA_LENGTH", "The file ended while it was being read: send it again.")
        filled += count


def _bytes_of(array: NDArray[np.generic]) -> memoryview:
    """Return the writable bytes of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _shape(block: Block) -> tuple[int, int, int]:
    low, high = block
    return high[0] - low[0], high[1] - low[1], high[2] - low[2]


def _ignore(piece: memoryview) -> None:
    """Whole numbers are always finite."""
