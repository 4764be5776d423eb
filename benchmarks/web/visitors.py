"""People and programs that use a site at once: readers of pages, teams that submit, clients of the API."""

import http.client
import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from submissions.text.idempotency import new_key

READER_PAUSE_S = (0.5, 4.0)
TEAM_PAUSE_S = (2.0, 6.0)
CLIENT_PAUSE_S = (0.2, 0.8)
MEMBERS_AMONG_READERS = 4  # every fourth reader is signed in
PAGES = {
    "home": "/", "boards": "/leaderboards/", "board": "/leaderboards/practice/", "guide": "/guide/",
    "history": "/leaderboards/practice/history/", "phase": "/phases/practice/",
}  # fmt: skip
BOUNDARY = "lunasite-load-boundary"


@dataclass(frozen=True)
class Answer:
    """status: 0 where nobody answered."""

    label: str
    status: int
    seconds: float
    body: bytes = b""


class Visitor:
    """One kept-alive connection; a page that was seen before is asked for with its ETag, as a browser does."""

    def __init__(self, port: int, *, cookie: str = "", token: str = "") -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Accept": "text/html,*/*;q=0.8"}
        self._headers |= {"Cookie": f"sessionid={cookie}"} if cookie else {}
        self._headers |= {"Authorization": f"Bearer {token}", "Accept": "application/json"} if token else {}
        self._etags: dict[str, str] = {}

    def get(self, label: str, path: str, **headers: str) -> Answer:
        etag = {"If-None-Match": self._etags[path]} if path in self._etags and not headers else {}
        return self.ask("GET", label, path, headers=etag | headers)

    def ask(self, method: str, label: str, path: str, *, headers: dict[str, str], body: bytes | None = None) -> Answer:
        named = {"X-Request-ID": f"{label}.{secrets.token_hex(8)}", **self._headers, **headers}
        started = time.perf_counter()
        try:
            response, content = self._answered(method, path, body, named)
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Answer(label, 0, time.perf_counter() - started)
        if etag := response.headers.get("ETag"):
            self._etags[path] = etag
        return Answer(label, response.status, time.perf_counter() - started, content)

    def _answered(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask on the open connection; where the server has closed it for its age meanwhile, on a new one."""
        is_reused = self._connection.sock is not None
        try:
            self._connection.request(method, path, body=body, headers=headers)
            response = self._connection.getresponse()
        except (ConnectionError, http.client.BadStatusLine):
            self._connection.close()
            if not is_reused:
                raise
            self._connection.request(method, path, body=body, headers=headers)
            response = self._connection.getresponse()
        return response, response.read()


class Load:
    """filled: as `benchmarks.web.filled_site` prints it."""

    def __init__(self, port: int, filled: dict, readers: int, teams: int, clients: int) -> None:
        self._port, self._filled = port, filled
        self._people: list[Callable[[random.Random], None]] = []
        self._people += [lambda rng, n=n: self._read(rng, n) for n in range(readers)]
        self._people += [lambda rng, n=n: self._submit(rng, n) for n in range(teams)]
        self._people += [lambda rng, n=n: self._call(rng, n) for n in range(clients)]
        self._stop = threading.Event()
        self.answers: list[Answer] = []
        self.acknowledged: list[str] = []

    def run(self, seconds: float) -> list[Answer]:
        threads = [
            threading.Thread(target=person, args=(random.Random(number),)) for number, person in enumerate(self._people)
        ]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        self._stop.set()
        for thread in threads:
            thread.join()
        return self.answers

    def _pause(self, rng: random.Random, span: tuple[float, float]) -> bool:
        """Wait; return whether the load goes on."""
        return not self._stop.wait(rng.uniform(*span))

    def _read(self, rng: random.Random, number: int) -> None:
        is_member = number % MEMBERS_AMONG_READERS == 0
        cookies = self._filled["cookies"]
        visitor = Visitor(self._port, cookie=cookies[number % len(cookies)] if is_member else "")
        suffix = "-member" if is_member else ""
        pages = dict(PAGES)
        if is_member:
            pages["list"] = "/submissions/"
        while self._pause(rng, READER_PAUSE_S):
            label, path = rng.choice(list(pages.items()))
            self.answers.append(visitor.get(f"{label}{suffix}", path))
            if label == "board" and self._pause(rng, READER_PAUSE_S):
                self.answers.append(visitor.get(f"board-part{suffix}", f"{path}?show=all", **{"HX-Request": "true"}))

    def _submit(self, rng: random.Random, number: int) -> None:
        """Send a CSV, then look at its page until it is scored, as the page itself does."""
        token, cookie = self._filled["tokens"][number], self._filled["cookies"][number]
        program, browser = Visitor(self._port, token=token), Visitor(self._port, cookie=cookie)
        while self._pause(rng, TEAM_PAUSE_S):
            sent = program.ask("POST", "api-submit", "/api/v1/submissions", **self._csv(rng))
            self.answers.append(sent)
            if sent.status != 201:
                continue
            pk = json.loads(sent.body)["id"]
            self.acknowledged.append(pk)
            self.answers.append(browser.get("report-member", f"/submissions/{pk}/"))
            while self._pause(rng, (1.0, 1.0)):
                self.answers.append(browser.get("progress-member", f"/submissions/{pk}/progress/"))
                if self.answers[-1].status != 200:  # 286: it has ended
                    break

    def _csv(self, rng: random.Random) -> dict:
        rows = "".join(f"case{i},{rng.random():.6f}\r\n" for i in range(self._filled["cases"]))
        body = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="phase"\r\n\r\npractice\r\n'
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="p.csv"\r\n'
            f"Content-Type: text/csv\r\n\r\nAnnotationID,probability\r\n{rows}\r\n--{BOUNDARY}--\r\n"
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Idempotency-Key": new_key()}
        return {"body": body.encode(), "headers": headers}

    def _call(self, rng: random.Random, number: int) -> None:
        client = Visitor(self._port, token=self._filled["tokens"][number])
        paths = {"api-board": "/api/v1/leaderboard?phase=practice", "api-phases": "/api/v1/phases",
                 "api-submissions": "/api/v1/submissions"}  # fmt: skip
        while self._pause(rng, CLIENT_PAUSE_S):
            label, path = rng.choice(list(paths.items()))
            self.answers.append(client.get(label, path))
