"""One client's connection: bytes become whole requests without any thread waiting for them.

h11 speaks HTTP/1.1: it finds the head's end, joins chunks, refuses what two readers could read differently. A body is
kept in memory, past MEMORY_BYTES in an unnamed temporary file. A connection is touched by one thread at a time: by
the event loop while it waits for the client, by a worker thread while its request is answered.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import io
import select
import socket
import tempfile
import threading
import time
from http import HTTPStatus
from typing import IO, NamedTuple

import h11

from lunasite.serving.content_length import RefusedBody, check_content_length
from lunasite.serving.drain_body import READ_BYTES, READS_A_TURN, DrainRequestBody
from lunasite.serving.pace import GRACE_SECONDS, HEAD_SECONDS, Pace
from lunasite.serving.streamed_body import StreamedBody, is_soon_whole

HEAD_BYTES = 64 * 1024
MEMORY_BYTES = 1024 * 1024
MOST_OUTGOING = 1024 * 1024  # of an answer kept for a client that takes it slowly, so that the thread can go


class ConnectionStage(enum.Enum):
    """What a connection needs next."""

    WAITING = "bytes from the client"
    UNSURE = "a judgement whether its sender may send so large a body"
    READY = "a thread: its request is whole, or is refused by its head alone"
    MALFORMED = "an error, then its end"
    FLUSHING = "the client to take what is left of the answer"
    DRAINING = "the rest of a refused body to arrive, to be thrown away"
    CLOSED = "nothing"


class Sender(NamedTuple):
    """The judgement on who sends a large body: how large it may be, and whether they are known here."""

    body_limit: int
    is_known: bool


class ClientConnection:
    """free_bytes: how large a body may grow before its sender is judged (Stage.UNSURE).

    streams: one place for each thread that may take a body whose rest is still to come.
    """

    def __init__(
        self, client: socket.socket, address: str, free_bytes: int, idle_s: float, streams: threading.Semaphore
    ) -> None:
        client.setblocking(False)
        self.socket = client
        self.address = address
        self.stage = ConnectionStage.WAITING
        self.error_status: int = HTTPStatus.BAD_REQUEST
        self._free_bytes = free_bytes
        self._idle_s = idle_s
        self._streams = streams
        self._stream: StreamedBody | None = None
        self._outgoing = bytearray()
        self._begin(new_http())
        self._head_until = time.monotonic() + HEAD_SECONDS

    def _begin(self, http: h11.Connection) -> None:
        """Expect a request from its first byte."""
        now = time.monotonic()
        self.http = http
        self.request: h11.Request | None = None
        self.body: IO[bytes] = io.BytesIO()
        self.body_bytes = 0
        self.length: int | None = 0  # as announced; None for one in pieces
        self.body_limit = self._free_bytes
        self.is_judged = self.is_known = self._has_all = False
        self.keeps_alive = False
        self.pace = Pace(now)
        self._head_until = now + self._idle_s

    def receive(self) -> ConnectionStage:
        """Take what has arrived, without waiting. Returns the new stage."""
        try:
            self._receive()
        except BlockingIOError:
            pass
        except OSError as error:  # of the client that has gone, or of the temporary file
            self.error_status = HTTPStatus.INSUFFICIENT_STORAGE
            self.stage = ConnectionStage.MALFORMED if error.errno == errno.ENOSPC else ConnectionStage.CLOSED
        return self.stage

    def _receive(self) -> None:
        if not (self._is_large and self.stage is ConnectionStage.WAITING):
            self.stage = self._advance()
        for _ in range(READS_A_TURN):
            if self.stage is not ConnectionStage.WAITING:
                return
            self.stage = self._read_large_body() if self._is_large else self._read()

    def _read(self) -> ConnectionStage:
        """Read once, for h11. Raises OSError."""
        data = self.socket.recv(READ_BYTES)
        if not data:
            return ConnectionStage.CLOSED  # an end before the request's own is an end of it
        if self.request is None:
            self._head_until = min(self._head_until, time.monotonic() + HEAD_SECONDS)
        self.http.receive_data(data)
        return self._advance()

    def _read_large_body(self) -> ConnectionStage:
        """Read once, from the socket into the file: of a body of known length h11 has nothing to say but copies."""
        buffer = _buffer()
        count = self.socket.recv_into(buffer, min(len(buffer), (self.length or 0) - self.body_bytes))
        self._keep(buffer[:count])
        if self.body_bytes == self.length:
            return self._whole()
        return self._begin_to_stream() if count else ConnectionStage.CLOSED

    def _advance(self) -> ConnectionStage:
        """Let h11 read what it holds."""
        try:
            while True:
                event = self.http.next_event()
                if event is h11.NEED_DATA:
                    return ConnectionStage.WAITING
                if isinstance(event, h11.Data):
                    self._keep(event.data)
                elif isinstance(event, h11.Request):
                    self._take_head(event)
                elif isinstance(event, h11.EndOfMessage):
                    return self._whole()
                else:
                    return ConnectionStage.CLOSED
                if self.is_over_limit:
                    return ConnectionStage.READY if self.is_judged else ConnectionStage.UNSURE
                self._continue()
        except (h11.RemoteProtocolError, ValueError) as error:
            self.error_status = getattr(error, "error_status_hint", 400)
            return ConnectionStage.MALFORMED

    def _whole(self) -> ConnectionStage:
        self._has_all = True
        self.body.seek(0)
        return ConnectionStage.READY

    @property
    def is_whole(self) -> bool:
        """Tell whether all of the request has been taken from the client."""
        return self._has_all or (self._stream is not None and not self._stream.left)

    @property
    def input(self) -> IO[bytes] | RefusedBody:
        """What the application reads the body from."""
        if self._stream:
            return io.BufferedReader(self._stream, READ_BYTES)
        return self.body if self._has_all else RefusedBody()

    def _begin_to_stream(self) -> ConnectionStage:
        """Go to a thread before the last bytes are there, if they are near and a thread is free for it."""
        left = (self.length or 0) - self.body_bytes
        if not (self.is_known and is_soon_whole(self.pace, left) and self._streams.acquire(blocking=False)):
            return ConnectionStage.WAITING
        self.body.seek(0)
        self._stream = StreamedBody(self.body, self.socket, left)
        return ConnectionStage.READY

    def _end_stream(self) -> None:
        if self._stream:
            self.body_bytes = (self.length or 0) - self._stream.left
            self._has_all = not self._stream.left
            self._stream = None
            self._streams.release()

    @property
    def _is_large(self) -> bool:
        return self.request is not None and (self.length or 0) > MEMORY_BYTES

    def _take_head(self, request: h11.Request) -> None:
        self.request = request
        self.pace = Pace(time.monotonic())
        self.length = check_content_length(request.headers)
        check_head(request)
        if self.length is None or self.length > MEMORY_BYTES:
            self.body = tempfile.TemporaryFile()  # noqa: SIM115 closed by `answered` and `close`

    def _keep(self, data: bytes | memoryview) -> None:
        self.body_bytes += len(data)
        self.pace.moved += len(data)
        self.body.write(data)

    def _continue(self) -> None:
        """Tell a client that asks whether to send its body (Expect: 100-continue) to do so."""
        if self.http.they_are_waiting_for_100_continue:
            self.send(self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")

    def judge(self, sender: Sender) -> None:
        """Set how large the body may be; past it the request is answered by its head alone."""
        self.is_judged = True
        self.body_limit, self.is_known = sender
        if not self.is_over_limit:
            self._continue()

    @property
    def is_idle(self) -> bool:
        """Tell whether no request has begun to arrive."""
        return self.stage is ConnectionStage.WAITING and self.request is None

    @property
    def is_over_limit(self) -> bool:
        """Tell whether the body is, or says it will be, larger than it may."""
        return max(self.body_bytes, self.length or 0) > self.body_limit

    def send(self, data: bytes, *, may_wait: bool = False) -> None:
        """Send, or keep what the client does not take at once.

        may_wait: in a worker thread: wait until no more than MOST_OUTGOING is kept. Raises OSError when the client is
        gone, or takes the answer too slowly.
        """
        self._outgoing += data
        self._push()
        pace = Pace(time.monotonic())
        while may_wait and len(self._outgoing) > MOST_OUTGOING:
            poll = select.poll()
            poll.register(self.socket, select.POLLOUT)
            poll.poll(1000 * GRACE_SECONDS)
            pace.moved += self._push()
            if pace.is_too_slow(time.monotonic()):
                raise TimeoutError("the client does not take its answer")

    def _push(self) -> int:
        """Send what the client takes at once. Returns how many bytes."""
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(self._outgoing):
                sent += self.socket.send(memoryview(self._outgoing)[sent:])
        del self._outgoing[:sent]
        return sent

    def answered(self) -> ConnectionStage:
        """Go on after an answer. Returns the new stage."""
        self._end_stream()
        self.body.close()
        if self._outgoing:
            self.pace = Pace(time.monotonic())
            self.stage = ConnectionStage.FLUSHING
        elif not self.is_whole:
            self._begin_to_drain()
        elif self.keeps_alive:
            self._next_request()
        else:
            self.stage = ConnectionStage.CLOSED
        return self.stage

    def _next_request(self) -> None:
        """Expect the next request; what the client has sent of it already is with h11."""
        if self._is_large:
            self.http = new_http()
        else:
            self.http.start_next_cycle()
        self._begin(self.http)
        self.stage = self._advance()

    def _begin_to_drain(self) -> None:
        held = len(self.http.trailing_data[0])
        left = None if self.length is None else self.length - self.body_bytes - held
        self._rest = DrainRequestBody(self.socket, left)
        self.stage = ConnectionStage.CLOSED if self._rest.is_done else ConnectionStage.DRAINING

    def flush(self) -> ConnectionStage:
        """Send more of an answer whose thread has gone. Returns the new stage."""
        try:
            self.pace.moved += self._push()
        except OSError:
            self.stage = ConnectionStage.CLOSED
            return self.stage
        return self.stage if self._outgoing else self.answered()

    def drain(self) -> ConnectionStage:
        """Throw away what has arrived of a refused body. Returns the new stage."""
        self._rest.take()
        if self._rest.is_done:
            self.stage = ConnectionStage.CLOSED
        return self.stage

    def is_late(self, now: float) -> bool:
        """Tell whether the client has had its time."""
        if self.stage is ConnectionStage.DRAINING:
            return self._rest.is_late(now)
        if self.stage is ConnectionStage.WAITING and self.request is None:
            return now > self._head_until
        return self.pace.is_too_slow(now)

    def close(self) -> None:
        self.stage = ConnectionStage.CLOSED
        self._end_stream()
        self.body.close()
        self.socket.close()


def new_http() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)


_of_thread = threading.local()


def _buffer() -> memoryview:
    """Return this thread's own buffer for reading."""
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = memoryview(bytearray(READ_BYTES * 4))
    return _of_thread.buffer  # type: ignore[no-any-return]


def check_head(request: h11.Request) -> None:
    """Raise ValueError for a target that is not a path, and for a request of HTTP/1.0 that names no host."""
    if not request.target.startswith((b"/", b"http://", b"https://")):
        raise ValueError("no path")
    if b"host" not in dict(request.headers):
        raise ValueError("no host")
