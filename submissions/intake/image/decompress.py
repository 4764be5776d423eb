"""Decompress untrusted gzip and zstd streams within bounds.

gzip is read by isal where it is installed (about twice as fast), otherwise by zlib; zstd by Python 3.14's own module
or its backport. Pieces are at most PIECE_BYTES long, and a zstd window has at most 128 MiB, so memory stays bounded
for any stream.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, cast

from submissions.faults import ParticipantError
from submissions.intake.image.bytes import PIECE_BYTES
from submissions.intake.image.errors import BrokenStream

_inflate: Any = zlib  # on a participant's own computer the standard library is enough
with suppress(ImportError):
    from isal import isal_zlib as _inflate

_zstd: Any = None
with suppress(ImportError):
    from backports import zstd as _zstd
with suppress(ImportError):
    from compression import zstd as _zstd  # type: ignore[import-not-found,no-redef]  # Python 3.14

_FEED_BYTES = 128 << 10  # input that is not consumed at once is copied, so feed little
_GZIP_WBITS = 31
_ZSTD_WINDOW_LOG = 27  # 128 MiB, the limit of the zstd command without --long
# pigz, eStargz and zstd:chunked write one stream per file; each stream costs microseconds, even when empty.
_MAX_STREAMS = 4_000_000
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_OTHER_COMPRESSION = {
    _ZSTD_MAGIC: "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
}


def is_gzip(head: bytes) -> bool:
    """Return whether `head` begins a gzip stream."""
    return head.startswith(_GZIP_MAGIC)


def layer_compression(head: bytes) -> str:
    """Return "gzip" or "zstd", the compressions a layer may have, or "" if `head` begins neither."""
    if is_gzip(head):
        return "gzip"
    is_skippable = head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50  # RFC 8878, 3.1.2
    return "zstd" if head.startswith(_ZSTD_MAGIC) or is_skippable else ""


def other_compression(head: bytes) -> str | None:
    """Return the name of a compression that is not allowed, if `head` begins such a stream; else None."""
    return next((name for magic, name in _OTHER_COMPRESSION.items() if head.startswith(magic)), None)


def decompressor(compression: str) -> Decompressor:
    """Return a reader of "gzip" or "zstd". Raises ParticipantError where this Python cannot read zstd."""
    return ZstdDecompressor() if compression == "zstd" else GzipDecompressor()


class Decompressor(ABC):
    """Unpack one stream of one or more members (gzip) or frames (zstd)."""

    def __init__(self) -> None:
        self._member: Any = None
        self._streams = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the unpacked bytes of `data`. Raises BrokenStream."""
        for start in range(0, len(data), _FEED_BYTES):
            yield from self._feed_little(data[start : start + _FEED_BYTES])

    def finish(self) -> None:
        """Finish the stream. Raises BrokenStream if it was cut short."""
        if self._member is not None:
            raise BrokenStream

    def _feed_little(self, data: bytes) -> Iterator[bytes]:
        is_full = False
        while data or is_full:
            if self._member is None:
                data = self._without_padding(data)
                if not data:
                    return
                self._begin_member()
            piece = self._unpack(data)
            is_full = len(piece) == PIECE_BYTES
            if piece:
                yield piece
            data = self._what_is_left()

    def _begin_member(self) -> None:
        self._streams += 1
        if self._streams > _MAX_STREAMS:
            raise BrokenStream
        self._member = self._new_member()

    def _without_padding(self, data: bytes) -> bytes:
        return data

    @abstractmethod
    def _new_member(self) -> Any:
        """Return a decompressor for the next member of the stream."""

    @abstractmethod
    def _unpack(self, data: bytes) -> bytes:
        """Return at most PIECE_BYTES of what the member's next bytes hold."""

    @abstractmethod
    def _rest(self) -> bytes:
        """Return what the member has not consumed yet."""

    def _what_is_left(self) -> bytes:
        if not self._member.eof:
            return self._rest()
        left = self._member.unused_data
        self._member = None
        return cast(bytes, left)


class GzipDecompressor(Decompressor):
    """Reads gzip (RFC 1952)."""

    def _without_padding(self, data: bytes) -> bytes:
        return data.lstrip(b"\0")  # padding between or after members, which gzip itself accepts

    def _new_member(self) -> Any:
        return _inflate.decompressobj(_GZIP_WBITS)

    def _unpack(self, data: bytes) -> bytes:
        try:
            return cast(bytes, self._member.decompress(data, PIECE_BYTES))
        except (_inflate.error, zlib.error) as error:
            raise BrokenStream from error

    def _rest(self) -> bytes:
        return cast(bytes, self._member.unconsumed_tail)


class ZstdDecompressor(Decompressor):
    """Reads zstd (RFC 8878); the zstd module itself keeps unconsumed input."""

    def __init__(self) -> None:
        super().__init__()
        if _zstd is None:
            raise ParticipantError(
                "COMPRESSION_NOT_SUPPORTED",
                "This Python cannot read zstd; `pip install backports.zstd` and check again. The platform can.",
            )

    def _new_member(self) -> Any:
        return _zstd.ZstdDecompressor(options={_zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})

    def _unpack(self, data: bytes) -> bytes:
        try:
            return cast(bytes, self._member.decompress(data, PIECE_BYTES))
        except _zstd.ZstdError as error:
            if "memory" in str(error):
                raise _window_too_large() from error
            raise BrokenStream from error

    def _rest(self) -> bytes:
        return b""


def _window_too_large() -> BrokenStream:
    error = BrokenStream()
    error.note = "A zstd stream needs a window of more than 128 MiB; compress it without --long."
    return error


def decompressed(pieces: Iterable[bytes], compression: str = "gzip") -> Iterator[bytes]:
    """Yield the unpacked bytes of a whole stream. Raises BrokenStream."""
    reader = decompressor(compression)
    for piece in pieces:
        yield from reader.feed(piece)
    reader.finish()
