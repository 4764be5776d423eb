"""One client's connection: it collects bytes into whole requests while no thread waits for them.

h11 parses HTTP/1.1: it finds the end of the head, joins chunks and refuses ambiguous requests. A body is kept in
memory or, if it is longer than MEMORY_BYTES, in an unnamed temporary file. Only one thread uses a connection at a
time: the event loop while it waits for the client, a worker thread while the request is answered.
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
from typing import IO, NamedTuple, Protocol

import h11

from lunasite.serving.content_length import RefusedBody, check_content_length
from lunasite.serving.drain_body import READ_BYTES, READS_A_TURN, DrainRequestBody
from lunasite.serving.pace import GRACE_SECONDS, HEAD_SECONDS, Pace
from lunasite.serving.streamed_body import StreamedBody, is_soon_whole

HEAD_BYTES = 64 * 1024
MEMORY_BYTES = 1024 * 1024
MAX_OUTGOING = 1024 * 1024  # of an answer buffered for a slow client, so that the thread is free again


class ConnectionStage(enum.Enum):
    """The stage of a connection: what it needs next."""

    WAITING = "bytes from the client"
    UNSURE = "a judgement whether its sender may send so large a body"
    READY = "a thread: its request is whole, or is refused by its head alone"
    MALFORMED = "an error, then its end"
    FLUSHING = "the client to take what is left of the answer"
    PAUSED = "the client to take some of the answer, of which more is to come"
    RESUMING = "a thread: the client has taken enough of its answer for more"
    DRAINING = "the rest of a refused body to arrive, to be thrown away"
    CLOSED = "nothing"


class Sender(NamedTuple):
    """The verdict on the sender of a large body: the most bytes allowed, and whether the sender is known."""

    body_limit: int
    is_known: bool


class Rest(Protocol):
    """The part of an answer that is still to be made."""

    def close(self) -> None: ...


class ClientConnection:
    """One client's connection.

    free_bytes: how large a body may grow before its sender is checked (ConnectionStage.UNSURE).
    streams: one place for each thread that may accept a body before all of it has arrived.
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
        self.rest: Rest | None = None
        self._outgoing = bytearray()
        self._begin(new_http())
        self._head_until = time.monotonic() + HEAD_SECONDS

    def _begin(self, http: h11.Connection) -> None:
        """Reset the state for a new request."""
        now = time.monotonic()
        self.http = http
        self.request: h11.Request | None = None
        self.body: IO[bytes] = io.BytesIO()
        self.body_bytes = 0
        self.length: int | None = 0  # as declared; None for a chunked body
        self.body_limit = self._free_bytes
        self.is_judged = self.is_known = self._has_all = False
        self.keeps_alive = False
        self.pace = Pace(now)
        self._head_until = now + self._idle_s

    def receive(self) -> ConnectionStage:
        """Read what has arrived, without waiting; return the new stage."""
        try:
            self._receive()
        except BlockingIOError:
            pass
        except OSError as error:  # the client has disconnected, or the temporary file failed
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
        """Read once, and pass the bytes to h11. Raises OSError."""
        data = self.socket.recv(READ_BYTES)
        if not data:
            return ConnectionStage.CLOSED  # the client closed before the end of the request
        if self.request is None:
            self._head_until = min(self._head_until, time.monotonic() + HEAD_SECONDS)
        self.http.receive_data(data)
        return self._advance()

    def _read_large_body(self) -> ConnectionStage:
        """Read once from the socket into the file; for a body of known length, h11 would only add copies."""
        buffer = _buffer()
        count = self.socket.recv_into(buffer, min(len(buffer), (self.length or 0) - self.body_bytes))
        self._keep(buffer[:count])
        if self.body_bytes == self.length:
            return self._whole()
        return self._begin_to_stream() if count else ConnectionStage.CLOSED

    def _advance(self) -> ConnectionStage:
        """Let h11 parse the bytes it holds; return the new stage."""
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
        """Return whether the whole request has been received from the client."""
        return self._has_all or (self._stream is not None and not self._stream.left)

    @property
    def input(self) -> IO[bytes] | RefusedBody:
        """Return the file object from which the application reads the body."""
        if self._stream:
            return io.BufferedReader(self._stream, READ_BYTES)
        return self.body if self._has_all else RefusedBody()

    def _begin_to_stream(self) -> ConnectionStage:
        """Return READY before the last bytes have arrived, if they are due soon and a thread is free for them."""
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
        """Tell a client that waits for permission (Expect: 100-continue) to send its body."""
        if self.http.they_are_waiting_for_100_continue:
            self.send(self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")

    def judge(self, sender: Sender) -> None:
        """Set the most bytes that the body may have; a request with a larger body is answered without reading it."""
        self.is_judged = True
        self.body_limit, self.is_known = sender
        if not self.is_over_limit:
            self._continue()

    @property
    def is_idle(self) -> bool:
        """Return whether no request has begun to arrive."""
        return self.stage is ConnectionStage.WAITING and self.request is None

    @property
    def is_over_limit(self) -> bool:
        """Return whether the received or declared length of the body exceeds the limit."""
        return max(self.body_bytes, self.length or 0) > self.body_limit

    def send(self, data: bytes, *, may_wait: bool = False) -> None:
        """Send data, and buffer what the client does not accept at once.

        may_wait: for worker threads: wait until at most MAX_OUTGOING bytes are buffered. Raises OSError when the
        client is gone or reads the answer too slowly.
        """
        self._outgoing += data
        self._push()
        pace = Pace(time.monotonic())
        while may_wait and len(self._outgoing) > MAX_OUTGOING:
            poll = select.poll()
            poll.register(self.socket, select.POLLOUT)
            poll.poll(1000 * GRACE_SECONDS)
            pace.moved += self._push()
            if pace.is_too_slow(time.monotonic()):
                raise TimeoutError("the client does not take its answer")

    @property
    def is_full(self) -> bool:
        """Return whether the client has so much of its answer to take that no more is made now."""
        return len(self._outgoing) > MAX_OUTGOING

    def pause(self, rest: Rest) -> None:
        """Let the client take what there is of its answer, without a thread; `rest` goes on after that."""
        self._end_stream()
        self.rest = rest
        self.pace = Pace(time.monotonic())
        self.stage = ConnectionStage.PAUSED

    def _push(self) -> int:
        """Send what the client accepts at once; return the number of bytes."""
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(self._outgoing):
                sent += self.socket.send(memoryview(self._outgoing)[sent:])
        del self._outgoing[:sent]
        return sent

    def answered(self) -> ConnectionStage:
        """Continue after an answer; return the new stage."""
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
        """Prepare for the next request; h11 holds the bytes of it that have already arrived."""
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
        """Send more of a buffered answer, whose thread is already free; return the new stage."""
        try:
            self.pace.moved += self._push()
        except OSError:
            self.stage = ConnectionStage.CLOSED
            return self.stage
        return self.stage if self._outgoing else self.answered()

    def take(self) -> ConnectionStage:
        """Send more of what there is of a paused answer; return the new stage."""
        try:
            self.pace.moved += self._push()
        except OSError:
            self.stage = ConnectionStage.CLOSED
            return self.stage
        if len(self._outgoing) <= MAX_OUTGOING // 4:
            self.stage = ConnectionStage.RESUMING
        return self.stage

    def drain(self) -> ConnectionStage:
        """Discard the bytes of a refused body that have arrived; return the new stage."""
        self._rest.take()
        if self._rest.is_done:
            self.stage = ConnectionStage.CLOSED
        return self.stage

    def is_late(self, now: float) -> bool:
        """Return whether the client's time is up."""
        if self.stage is ConnectionStage.DRAINING:
            return self._rest.is_late(now)
        if self.stage is ConnectionStage.WAITING and self.request is None:
            return now > self._head_until
        return self.pace.is_too_slow(now)

    def close(self) -> None:
        self.stage = ConnectionStage.CLOSED
        if self.rest:
            self.rest.close()
            self.rest = None
        self._end_stream()
        self.body.close()
        self.socket.close()


def new_http() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)


_of_thread = threading.local()


def _buffer() -> memoryview:
    """Return the read buffer of the current thread."""
    if not hasattr(_of_thread, "buffer"):
        _of_thread.buffer = memoryview(bytearray(READ_BYTES * 4))
    return _of_thread.buffer  # type: ignore[no-any-return]


def check_head(request: h11.Request) -> None:
    """Raise ValueError for a target that is not a path, and for an HTTP/1.0 request without a host."""
    if not request.target.startswith((b"/", b"http://", b"https://")):
        raise ValueError("no path")
    if b"host" not in dict(request.headers):
        raise ValueError("no host")
