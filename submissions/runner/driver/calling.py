"""Carry out a plan: wait until the model answers, then make its calls, one event line for each."""

from __future__ import annotations

import json
import mmap
import os
import threading
import time
from binascii import b2a_base64
from collections.abc import Callable
from typing import Any

from .connection import CallFault, Connection, Response, Unreached
from .description import DESCRIBED_AT, described_calls
from .ports import Ports

READY_PAUSE_S = 0.01
READY_CALL_S = 2.0
UNREACHED_PATIENCE_S = 1.0
MAKE_WAY_S = 0.5
# Another path, another part or other fields than the contract's.
MISFITS = (400, 404, 405, 415, 422)
MAX_DESCRIBED = 8
Say = Callable[[dict[str, Any]], None]


class Caller:
    """Makes the calls of a plan on `parallel` kept-alive connections, at most one a group; stops at the first fault."""

    def __init__(self, plan: dict[str, Any], say: Say) -> None:
        self.plan = plan
        self.say = say
        self._lock = threading.Lock()
        self._groups = iter(plan["groups"])
        self._stopped = False
        self._waiting: dict[Connection, float] = {}
        self._usual_s = 0.0

    def run(self) -> None:
        count = min(self.plan["parallel"], len(self.plan["groups"]))
        lanes = [threading.Thread(target=self._lane) for _ in range(count)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()

    def _next_group(self) -> dict[str, Any] | None:
        with self._lock:
            return None if self._stopped else next(self._groups, None)

    def _lane(self) -> None:
        connection = Connection("127.0.0.1", self.plan["port"], self.plan["response_bytes"])
        last = -1
        while group := self._next_group():
            try:
                self._call_group(connection, group)
            except OSError as error:
                self._fault(group["calls"][0]["number"], "SYSTEM_DATASET", str(error))
            last = group["calls"][-1]["number"]
        self._take_leave(connection, last)

    def _take_leave(self, connection: Connection, last: int) -> None:
        """Close a connection; a server that has sent one answer too many by then was ahead of its calls."""
        try:
            if not self._stopped:
                connection.expect_silence()
        except CallFault as fault:
            self._fault(last, fault.code, fault.detail)
        connection.close()

    def _call_group(self, connection: Connection, group: dict[str, Any]) -> None:
        """Make the calls of one series; its file is opened once."""
        with Image(group["file"]) as image:
            for call in group["calls"]:
                if self._stopped:
                    return
                self._call(connection, image, call)

    def _call(self, connection: Connection, image: Image, call: dict[str, Any]) -> None:
        started, was_kept = time.monotonic(), connection.has_answered
        if not was_kept:
            self._waiting[connection] = started
        try:
            response = self._answer(connection, self._message(call, image), started)
        except CallFault as fault:
            self._fault(call["number"], fault.code, fault.detail)
            return
        finally:
            self._waiting.pop(connection, None)
        seconds = time.monotonic() - started
        if was_kept:
            self._usual_s = max(self._usual_s, seconds)
        self._report(call["number"], response, seconds, connection)
        self._make_way(connection)

    def _make_way(self, connection: Connection) -> None:
        """Let go of a connection while another waits in vain for its first answer: some servers serve one at a time."""
        patience_s = min(max(MAKE_WAY_S, 3 * self._usual_s), self.plan["predict_timeout_s"] / 4)
        long_ago = time.monotonic() - patience_s
        if any(since < long_ago for since in list(self._waiting.values())):
            connection.close()
            connection.has_answered = False

    def _answer(self, connection: Connection, parts: list[Any], started: float) -> Response:
        """Return the response; a server that is between two of its workers gets a moment."""
        timeout_s = self.plan["predict_timeout_s"]
        while True:
            left = timeout_s - (time.monotonic() - started)
            try:
                return connection.request(parts, left)
            except Unreached:
                if time.monotonic() - started > min(UNREACHED_PATIENCE_S, timeout_s / 2):
                    raise
                time.sleep(0.05)

    def _report(self, number: int, response: Response, seconds: float, connection: Connection) -> None:
        if response.status != 200:
            shown = b2a_base64(response.body[: self.plan["shown_bytes"]], newline=False).decode("ascii")
            self._stopped = True
            self._describe(response.status, connection)
            self._fault(number, "BAD_RESPONSE", f"status {response.status}", status=response.status, body=shown)
            return
        body = b2a_base64(response.body, newline=False).decode("ascii")
        self.say({"event": "answer", "number": number, "seconds": seconds, "body": body})

    def _describe(self, status: int, connection: Connection) -> None:
        """Tell, in a trial whose call did not fit, what the service says of the calls that it takes."""
        if status not in MISFITS or not self.plan["shown_bytes"]:
            return
        try:
            response = connection.request([_get(DESCRIBED_AT, self.plan)], READY_CALL_S)
        except CallFault:
            return
        if response.status == 200 and (calls := described_calls(response.body)):
            self.say({"event": "described", "calls": calls[:MAX_DESCRIBED]})

    def _fault(self, number: int, code: str, detail: str, status: int = 0, body: str = "") -> None:
        self._stopped = True
        event = {"event": "fault", "number": number, "code": code, "detail": detail, "status": status, "body": body}
        self.say(event)

    def _message(self, call: dict[str, Any], image: Image) -> list[Any]:
        """Return one multipart request as buffers; the file's bytes are not copied."""
        boundary = self.plan["boundary"]
        start = "".join(_field(boundary, name, value) for name, value in call["fields"].items())
        start += (
            f"--{boundary}\r\nContent-Disposition: form-data; "
            f'name="{self.plan["file_field"]}"; filename="{call["file_name"]}"\r\n'
            f"Content-Type: {call['content_type']}\r\n\r\n"
        )
        opening, closing = start.encode(), f"\r\n--{boundary}--\r\n".encode()
        length = len(opening) + len(image.view) + len(closing)
        head = (
            f"POST {self.plan['path']} HTTP/1.1\r\nHost: 127.0.0.1:{self.plan['port']}\r\n"
            f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {length}\r\n"
            f"Accept: application/json\r\nAccept-Encoding: identity\r\n{self.plan['authorization']}\r\n"
        )
        return [head.encode() + opening, image.view, closing]


class Image:
    """The bytes of one file, mapped; the page cache holds them, not this process."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> Image:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        self.view = memoryview(self._map)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.view.release()
        self._map.close()


def _field(boundary: str, name: str, value: str) -> str:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def wait_until_ready(plan: dict[str, Any], say: Say) -> bool:
    """Return True at the first HTTP answer on /health or /; False after the plan's longest wait."""
    started = time.monotonic()
    paths = ("/health", "/")
    tries = 0
    ports = Ports(plan["port"], say)
    while (left := plan["startup_s"] - (time.monotonic() - started)) > 0:
        connection = Connection("127.0.0.1", plan["port"], plan["response_bytes"])
        try:
            # Longer each time: a server that thinks for a while before it answers is ready, too.
            connection.request([_get(paths[tries % 2], plan)], min(left, READY_CALL_S * 2 ** (tries // 2)))
            return True
        except CallFault as fault:
            if connection.has_answered:
                return True  # with whatever: it is predictions that must be whole
            if not isinstance(fault, Unreached):
                tries += 1
            ports.look()
            time.sleep(READY_PAUSE_S)
        finally:
            connection.close()
    say({"event": "fault", "number": -1, "code": "NOT_READY", "detail": "no HTTP answer", "status": 0})
    return False


def _get(path: str, plan: dict[str, Any]) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{plan['port']}\r\nAccept-Encoding: identity\r\n"
    return (head + f"{plan['authorization']}Connection: close\r\n\r\n").encode()


def carry_out(plan_path: str, say: Say) -> None:
    """Run the plan in a file; the last event is always `done`."""
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    say({"event": "up"})
    if wait_until_ready(plan, say):
        say({"event": "ready"})
        Caller(plan, say).run()
    say({"event": "done"})
