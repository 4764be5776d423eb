"""HTTP/1.1 to one server on loopback, bounded in bytes and in wall-clock time.

No redirects, no proxies, no compression; the deadline holds however slowly the bytes drip.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable

HEAD_BYTES = 64 * 1024
RECEIVE_BYTES = 256 * 1024
LINE_END = b"\r\n"
IDLE_TIMEOUT = b"HTTP/1.1 408"  # what some servers send before they close a connection that idles
Buffer = bytes | memoryview


class CallFault(Exception):
    """A call that brought no answer: a failure code and what happened, for staff."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Closed(CallFault):
    """The server closed before the first byte of an answer; worth one more try on a new connection."""

    def __init__(self, detail: str) -> None:
        super().__init__("BAD_RESPONSE", detail)


class Unreached(Closed):
    """No connection came about: nobody listens there, or nobody does yet."""


class Response:
    """Status, lower-cased headers, body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Connection:
    """One connection, kept alive where the server allows. has_answered: since it was last opened."""

    def __init__(self, host: str, port: int, body_limit: int) -> None:
        self.address = (host, port)
        self.body_limit = body_limit
        self.has_answered = False
        self._socket: socket.socket | None = None
        self._held = b""
        self._deadline = 0.0

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._held = b""

    def request(self, parts: Iterable[Buffer], timeout_s: float) -> Response:
        """Send head and body as given, return the answer. Raises CallFault."""
        parts = list(parts)
        self._deadline = time.monotonic() + timeout_s
        was_open = self._socket is not None
        try:
            return self._exchange(parts)
        except Closed:
            self.close()
            if not was_open:
                raise
        except CallFault:
            self.close()
            raise
        try:
            return self._exchange(parts)
        except CallFault:
            self.close()
            raise

    def _exchange(self, parts: list[Buffer]) -> Response:
        self._open()
        self._send(parts)
        status, headers = self._read_head()
        self.has_answered = True
        while status in (100, 102, 103):
            status, headers = self._read_head()
        body = self._read_body(status, headers)
        if self._held.strip(LINE_END):
            raise CallFault("BAD_RESPONSE", "more bytes than one answer has")
        if not _stays_open(headers) or self._held:
            self.close()
        return Response(status, headers, body)

    def expect_silence(self) -> None:
        """Raise CallFault if bytes wait that nobody asked for: a server one answer ahead shifts all that follow."""
        if self._socket is None or not _has_news(self._socket):
            return
        try:
            news = self._socket.recv(len(IDLE_TIMEOUT) + 2, socket.MSG_PEEK)
        except OSError:
            return  # closed by the server, which it may do between calls
        is_farewell = news[:7] == IDLE_TIMEOUT[:7] and news[8:12] == IDLE_TIMEOUT[8:]
        if news.strip(LINE_END) and not is_farewell:
            raise CallFault("BAD_RESPONSE", "an answer that nobody asked for")

    def _open(self) -> None:
        self.expect_silence()
        if self._socket is not None and _has_news(self._socket):
            self.close()  # closed by the server, or about to be
        while self._socket is None:
            try:
                self.has_answered = False
                self._socket = socket.create_connection(self.address, timeout=self._left())
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                raise Unreached(f"connecting: {error}") from error

    def _send(self, parts: list[Buffer]) -> None:
        sock = self._live()
        try:
            for part in parts:
                sock.settimeout(self._left())
                sock.sendall(part)
        except TimeoutError as error:
            raise CallFault("PREDICT_TIMEOUT", "it stopped reading the request") from error
        except OSError:
            return  # It may have answered before reading all; reading tells.

    def _receive(self) -> bytes:
        sock = self._live()
        try:
            sock.settimeout(self._left())
            # A server that writes head and body apart would wait 40 ms for our delayed acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return sock.recv(RECEIVE_BYTES)
        except TimeoutError as error:
            raise CallFault("PREDICT_TIMEOUT", "no whole answer in time") from error
        except OSError:
            return b""

    def _live(self) -> socket.socket:
        assert self._socket is not None
        return self._socket

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise CallFault("PREDICT_TIMEOUT", "no whole answer in time")
        return left

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._held:
            if len(self._held) > HEAD_BYTES:
                raise CallFault("RESPONSE_HEADERS_TOO_LARGE", "headers over 64 KiB")
            received = self._receive()
            if not received and not self._held:
                raise Closed("closed without an answer")
            if not received:
                raise CallFault("BAD_RESPONSE", "closed inside the headers")
            self._held += received
        head, self._held = self._held.split(b"\r\n\r\n", 1)
        return _parse_head(head)

    def _read_body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in (101, 204, 304):
            return b""
        if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise CallFault("BAD_RESPONSE", "an encoding nobody asked for")
        sent_as = headers.get("transfer-encoding", "identity").lower()
        if sent_as == "chunked":
            return self._read_chunks()
        if sent_as != "identity":
            raise CallFault("BAD_RESPONSE", "an encoding nobody asked for")
        if "content-length" in headers:
            return self._read_exactly(_length(headers["content-length"], 10))
        return self._read_to_end()

    def _read_exactly(self, size: int) -> bytes:
        if size > self.body_limit:
            raise CallFault("RESPONSE_TOO_LARGE", f"{size} bytes announced")
        pieces, have = [self._held], len(self._held)
        while have < size:
            received = self._receive()
            if not received:
                raise CallFault("BAD_RESPONSE", "closed inside the body")
            pieces.append(received)
            have += len(received)
        whole = b"".join(pieces)
        self._held = whole[size:]
        return whole[:size]

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            self._left()  # many small chunks in one piece: nothing is received in between
            size = _length(self._read_line().split(b";")[0].decode("latin-1").strip(), 16)
            if len(body) + size > self.body_limit:
                raise CallFault("RESPONSE_TOO_LARGE", "chunks over the limit")
            if size == 0:
                while self._read_line():  # trailers
                    self._left()
                return bytes(body)
            body += self._read_exactly(size)
            if self._read_exactly(2) != b"\r\n":
                raise CallFault("BAD_RESPONSE", "broken chunks")

    def _read_line(self) -> bytes:
        while b"\r\n" not in self._held:
            received = self._receive()
            if not received or len(self._held) > HEAD_BYTES:
                raise CallFault("BAD_RESPONSE", "broken chunks")
            self._held += received
        line, self._held = self._held.split(b"\r\n", 1)
        return line

    def _read_to_end(self) -> bytes:
        pieces, have = [self._held], len(self._held)
        self._held = b""
        while have <= self.body_limit:
            received = self._receive()
            if not received:
                self.close()
                return b"".join(pieces)
            pieces.append(received)
            have += len(received)
        raise CallFault("RESPONSE_TOO_LARGE", "endless body")


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(None, 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not _is_status(words[1]):
        raise CallFault("BAD_RESPONSE", "not HTTP/1.x")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines[1:]):
        name, value = name.strip().lower(), value.strip()
        if name == "content-length" and headers.get(name, value) != value:
            raise CallFault("BAD_RESPONSE", "two lengths that differ")
        headers[name] = value
    if words[0] == "HTTP/1.0":
        headers.setdefault("connection", "close")
    return int(words[1]), headers


def _has_news(sock: socket.socket) -> bool:
    """Say whether an idle connection has something to read: its end, or bytes after the last answer."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _is_status(word: str) -> bool:
    return len(word) == 3 and word.isascii() and word.isdigit()  # isdigit alone takes superscripts, int does not


def _length(text: str, base: int) -> int:
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not text or len(text) > 15 or any(char not in digits for char in text):
        raise CallFault("BAD_RESPONSE", "a length that is not a number")
    return int(text, base)


def _stays_open(headers: dict[str, str]) -> bool:
    return "close" not in headers.get("connection", "").lower()
