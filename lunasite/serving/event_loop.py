"""The web process: one event loop holds all connections that wait for their clients; threads answer whole requests.

A request gets a thread only when all of it has arrived (or when its head decides the answer). So a client that sends
nothing, sends its head or body slowly, or is still sending a refused body costs a few kilobytes and no thread. A file
that the client takes slowly costs a megabyte and no thread: what follows is read when the client has room for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

from lunasite.serving.address_share import IN_A_THREAD, AddressShare
from lunasite.serving.connection import ClientConnection, ConnectionStage, Sender
from lunasite.serving.exchange import Application, Environ, answer, environ_of, resume

log = logging.getLogger("lunasite.serving")
NO_LIMIT = 1 << 62
NEXT_REQUEST_MS = 2  # how long a thread waits for a connection's next request if no other request waits for a thread
SWEEP_S = 0.5
TO_BE_TAKEN = {ConnectionStage.FLUSHING, ConnectionStage.PAUSED}
GIVE_WAY_S = 0.001


class EventLoop:
    """Serve `application` on `listeners`. One thread calls `turn` repeatedly, then `stop`.

    judge: returns who sends this head; called in a worker thread, and only for bodies over free_bytes.
    answered: number of answered requests.
    """

    def __init__(
        self,
        listeners: Iterable[socket.socket],
        application: Application,
        *,
        threads: int,
        idle_s: float = 15.0,
        free_bytes: int = NO_LIMIT,
        judge: Callable[[Environ], Sender] | None = None,
        share: AddressShare | None = None,
    ) -> None:
        self._listeners = list(listeners)
        self._application = application
        self._idle_s = idle_s
        self._free_bytes = free_bytes
        self._judge_sender = judge
        self._streams = threading.BoundedSemaphore(max(1, threads // 2))
        self._share = share or AddressShare()
        self._for_threads: queue.SimpleQueue[ClientConnection | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"answer-{n}", daemon=True) for n in range(threads)]
        self._selector = selectors.DefaultSelector()
        self._waiting: set[ClientConnection] = set()
        self._in_threads = 0
        self._came_back: queue.SimpleQueue[ClientConnection] = queue.SimpleQueue()
        self._bell_out, self._bell = os.pipe()
        self._sweep_at = 0.0
        self._is_stopping = False
        self.answered = 0
        self._listens_at = 0.0
        self._has_given_way = False
        os.set_blocking(self._bell_out, False)
        os.set_blocking(self._bell, False)
        self._selector.register(self._bell_out, selectors.EVENT_READ, self._take_back)
        self._listen()
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        for listener in self._listeners:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, lambda one=listener: self._accept(one))
        self._is_listening = True

    def _stop_listening(self) -> None:
        for listener in self._listeners if self._is_listening else []:
            self._selector.unregister(listener)
        self._is_listening = False

    def turn(self, wait_s: float) -> None:
        """Wait at most wait_s for events, and handle them."""
        if not self._is_listening and not self._is_stopping:
            wait_s = min(wait_s, max(self._listens_at - time.monotonic(), 0.001))
        for key, _ in self._selector.select(wait_s):
            key.data()
        now = time.monotonic()
        if not self._is_listening and not self._is_stopping and now >= self._listens_at:
            self._listen()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        for connection in [item for item in self._waiting if item.is_late(now)]:
            self._give_up(connection)
        for connection in list(self._share.over_budget()):
            self._end(connection)

    def stop(self, within_s: float) -> None:
        """Accept no more connections, end the idle ones, and wait at most within_s for the answers in progress."""
        self._is_stopping = True
        self._stop_listening()
        until = time.monotonic() + within_s
        for connection in [item for item in self._waiting if item.is_idle]:
            self._end(connection)
        while (self._in_threads or self._waiting) and time.monotonic() < until:
            self.turn(0.1)
        for _ in self._threads:
            self._for_threads.put(None)

    def _gives_way(self) -> bool:
        """Leave a new connection to another process for a moment; the busier this process, the longer the moment.

        All processes wait on one socket; without this, the fastest would get and keep most of the clients.
        """
        self._has_given_way = bool(self._in_threads) and not self._has_given_way
        if self._has_given_way:
            self._listens_at = time.monotonic() + GIVE_WAY_S * min(self._in_threads, 8)
            self._stop_listening()
        return self._has_given_way

    def _accept(self, listener: socket.socket) -> None:
        if self._gives_way():
            return
        try:
            client, address = listener.accept()
        except OSError as error:
            if not isinstance(error, BlockingIOError | ConnectionAbortedError):
                log.warning("no connection can be taken: %s", error)
                time.sleep(0.05)
            return
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host = address[0] if isinstance(address, tuple) else ""
        connection = ClientConnection(client, host, self._free_bytes, self._idle_s, self._streams)
        if has_to_go := self._share.add(connection):
            self._end(has_to_go)
        if connection.stage is not ConnectionStage.CLOSED:
            self._place(connection, connection.receive())

    def _place(self, connection: ClientConnection, stage: ConnectionStage) -> None:
        """Handle a connection according to its stage."""
        if stage in IN_A_THREAD:
            self._in_threads += 1
            self._for_threads.put(connection)
        elif stage is ConnectionStage.MALFORMED:
            self._say_and_end(connection, connection.error_status)
        elif stage is ConnectionStage.CLOSED or (self._is_stopping and connection.is_idle):
            self._end(connection)
        else:
            wanted = selectors.EVENT_WRITE if stage in TO_BE_TAKEN else selectors.EVENT_READ
            self._selector.register(connection.socket, wanted, lambda: self._go_on(connection))
            self._waiting.add(connection)

    def _go_on(self, connection: ClientConnection) -> None:
        """Handle a connection whose client has sent or read data."""
        if connection not in self._waiting:  # ended since the selector reported it
            return
        before = connection.stage
        steps = {
            ConnectionStage.WAITING: connection.receive,
            ConnectionStage.FLUSHING: connection.flush,
            ConnectionStage.PAUSED: connection.take,
            ConnectionStage.DRAINING: connection.drain,
        }
        try:
            stage = steps[before]()
        except Exception:
            log.exception("a connection failed")
            stage = ConnectionStage.CLOSED
        if stage is not before:
            self._leave(connection)
            self._place(connection, stage)

    def _leave(self, connection: ClientConnection) -> None:
        self._waiting.remove(connection)
        self._selector.unregister(connection.socket)

    def _end(self, connection: ClientConnection) -> None:
        if connection in self._waiting:
            self._leave(connection)
        self._share.remove(connection)
        connection.close()

    def _give_up(self, connection: ClientConnection) -> None:
        """End a connection whose client is too slow; a client that was sending a body gets an error first."""
        if connection.stage is ConnectionStage.WAITING and connection.request is not None:
            self._say_and_end(connection, HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._end(connection)

    def _say_and_end(self, connection: ClientConnection, status: int) -> None:
        phrase = HTTPStatus(status).phrase
        with contextlib.suppress(OSError):
            connection.send(f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        self._end(connection)

    def _take_back(self) -> None:
        """Continue with the connections that threads have finished with."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell_out, 4096)
        with contextlib.suppress(queue.Empty):
            while True:
                connection = self._came_back.get_nowait()
                self._in_threads -= 1
                self._place(connection, connection.stage)

    # The methods below run in worker threads.

    def _work(self) -> None:
        while connection := self._for_threads.get():
            if connection.stage is ConnectionStage.UNSURE:
                self._judge(connection)
            else:
                self._answer(connection)

    def _give_back(self, connection: ClientConnection) -> None:
        self._came_back.put(connection)
        with contextlib.suppress(BlockingIOError):  # a wake-up is already pending
            os.write(self._bell, b"!")

    def _judge(self, connection: ClientConnection) -> None:
        try:
            sender = Sender(NO_LIMIT, is_known=False)
            if self._judge_sender:
                sender = self._judge_sender(environ_of(connection, self._server()))
            connection.judge(sender)
            connection.stage = ConnectionStage.READY if connection.is_over_limit else connection.receive()
        except BaseException:
            log.exception("a sender could not be judged")
            connection.stage = ConnectionStage.CLOSED
        self._give_back(connection)

    def _answer(self, connection: ClientConnection) -> None:
        try:
            while self._answer_one(connection) is ConnectionStage.READY and not self._others_wait():
                pass
        except (OSError, ValueError):
            connection.stage = ConnectionStage.CLOSED
        except BaseException:  # the thread must survive any request
            log.exception("an answer failed")
            connection.stage = ConnectionStage.CLOSED
        self._give_back(connection)

    def _answer_one(self, connection: ClientConnection) -> ConnectionStage:
        """Answer a request, or more of it; if the client's next request follows at once, it stays in this thread."""
        if connection.stage is ConnectionStage.RESUMING:
            is_done = resume(connection)
        else:
            self.answered += 1
            is_done = answer(connection, self._application, self._server(), closes=self._is_stopping)
        if not is_done:
            return connection.stage
        stage = connection.answered()
        while stage is ConnectionStage.WAITING and not self._others_wait() and _has_bytes(connection.socket):
            stage = connection.receive()
        return stage

    def _others_wait(self) -> bool:
        return self._for_threads.qsize() > 0

    def _server(self) -> tuple[str, int]:
        name = self._listeners[0].getsockname()
        return (name[0], name[1]) if isinstance(name, tuple) else ("localhost", 80)


def _has_bytes(client: socket.socket) -> bool:
    poll = select.poll()
    poll.register(client, select.POLLIN)
    return bool(poll.poll(NEXT_REQUEST_MS))
