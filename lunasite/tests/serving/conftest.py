"""A small application behind the real event loop, with two threads."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from lunasite.serving.event_loop import EventLoop

THREADS = 2


class Served:
    """address: where to connect. told: the environs that the application got. loop: what serves."""

    def __init__(self, loop: EventLoop, address: tuple[str, int], message: list[dict]) -> None:
        self.loop = loop
        self.address = address
        self.message = message

    def connect(self, sent: bytes = b"") -> socket.socket:
        client = socket.create_connection(self.address, timeout=10)
        client.sendall(sent)
        return client

    def ask(self, sent: bytes) -> bytes:
        """Return all that the server answers until it ends the connection."""
        with self.connect(sent) as client:
            return received(client)


def received(client: socket.socket) -> bytes:
    """Return what comes until the end of the connection, a reset counting as one."""
    found = []
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            found.append(piece)
    return b"".join(found)


def get(path: str = "/", *lines: str, closes: bool = True) -> bytes:
    """Return a request without a body."""
    last = ("Connection: close",) if closes else ()
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *lines, *last, "", ""]).encode()


def post(length: int, body: bytes = b"", *lines: str) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: x", f"Content-Length: {length}", *lines, "", ""]).encode() + body


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Return what starts a loop around an application; it echoes the body unless another is given."""
    running = []

    def start(application: Callable | None = None, **options) -> Served:
        message: list[dict] = []

        def echo(environ, start_response):
            message.append(environ)
            body = environ["wsgi.input"].read()
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]

        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        loop = EventLoop([listener], application or echo, **{"threads": THREADS, **options})
        is_over = threading.Event()

        def turn() -> None:
            while not is_over.is_set():
                loop.turn(0.02)
            loop.stop(2)

        thread = threading.Thread(target=turn)
        thread.start()
        running.append((is_over, thread, listener))
        return Served(loop, listener.getsockname(), message)

    yield start
    for is_over, thread, listener in running:
        is_over.set()
        thread.join(10)
        listener.close()
        assert not thread.is_alive()
