#!/usr/bin/env python3
"""The command line of a lunasite: one file, nothing but Python's standard library (3.8 or newer; `try` needs 3.11).

    python3 lunasite.py login
    python3 lunasite.py phases
    python3 lunasite.py check PHASE predictions.csv
    python3 lunasite.py try PHASE my-model
    python3 lunasite.py submit PHASE --image my-model --wait

The site is that of the file, LUNASITE_URL, or --site; the token that of `login`, LUNASITE_TOKEN, or --token.
Exit codes: 0 done; 1 refused, or the evaluation failed; 2 wrong usage; 3 not signed in, or not allowed; 4 network,
site or container engine; 5 quota or limit used up. Every sentence about an error is the site's own.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import getpass
import hashlib
import http.client
import json
import os
import platform
import shlex
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Options = argparse.Namespace

__version__ = "0.2.0"
SITE = ""  # filled in where a site serves this file
OK, REFUSED, USAGE, NOT_ALLOWED, UNREACHED, USED_UP = range(6)
TRIES = 6
TIMEOUT_S = 120
MAX_WAIT_S = 120
PARALLEL_PARTS = 2
PARTS_A_BATCH = 16
PIECE_BYTES = 1 << 20
WATCH_S = (1, 1, 2, 2, 3, 5)
TEMPORARY = (502, 503, 504)
QUOTA_CODES = ("QUOTA_EXCEEDED", "TOO_MANY_UPLOADS", "TOO_MANY_TRIALS")
FINISHED = ("completed", "failed", "cancelled")
RUN_ZIP = """
import os, sys
sys.path.insert(0, sys.argv[1])
sys.path.append(os.path.join(sys.argv[1], "stand_ins"))  # last: what is installed is found first
from submissions.runner.home_run import main
sys.exit(main())
"""


class ClientError(Exception):
    """What ends a command: a sentence, an exit code, and what the site answered."""

    def __init__(self, sentence: str, code: int = UNREACHED, answer: dict[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.answer = answer or {"status": "error", "message": sentence}

    @property
    def error_code(self) -> str:
        return self.answer.get("error_code", "")


# Files of this client


def config_dir() -> Path:
    base = os.environ.get("APPDATA") if os.name == "nt" else os.environ.get("XDG_CONFIG_HOME")
    return Path(base or Path.home() / ".config") / "lunasite"


def cache_dir(*parts: str) -> Path:
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    path = Path(base or Path.home() / ".cache").joinpath("lunasite", *parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def tokens() -> dict[str, str]:
    try:
        return json.loads((config_dir() / "tokens.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def keep_token(site: str, token: str) -> Path:
    """Keep a token where only this user can read it; the file is never open to others, not for a moment."""
    folder = config_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / "tokens.json", json.dumps({**tokens(), site: token}, indent=1).encode())
    return folder / "tokens.json"


def write_private(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    os.replace(part, path)


def pieces_of(file: Any) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def received(answer: Any, path: str) -> Iterator[bytes]:
    """Yield an answer as it comes. Raises ClientError where it does not come whole."""
    wanted, done = int(answer.headers.get("Content-Length") or 0), 0
    try:
        for piece in pieces_of(answer):
            yield piece
            done += len(piece)
    except (http.client.HTTPException, OSError) as error:
        raise ClientError(f"{path} broke off: {error}") from None
    if wanted and done != wanted:
        raise ClientError(f"{path} broke off; try again.")


def name_of(path: str | Path) -> str:
    """Return a file's name as it is sent; of a name that is not UTF-8, question marks stand for the rest."""
    return Path(path).name.encode("utf-8", "replace").decode("utf-8")


# HTTP


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to wherever it leads."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Form:
    """A multipart body that is read as it is sent: `pieces` are bytes and paths of files."""

    def __init__(self, fields: Iterable[tuple[str, Any]], files: Iterable[tuple[str, Path]] = ()) -> None:
        self.boundary = uuid.uuid4().hex
        self.pieces: list[bytes | Path] = []
        for name, value in fields:
            self._head(f'name="{name}"', "")
            self.pieces += [str(value).encode("utf-8"), b"\r\n"]
        for name, path in files:
            file_name = name_of(path).replace('"', "%22").replace("\r", "").replace("\n", "")
            self._head(f'name="{name}"; filename="{file_name}"', "Content-Type: application/octet-stream\r\n")
            self.pieces += [Path(path), b"\r\n"]
        self.pieces.append(f"--{self.boundary}--\r\n".encode())

    def _head(self, what: str, kind: str) -> None:
        self.pieces.append(f"--{self.boundary}\r\nContent-Disposition: form-data; {what}\r\n{kind}\r\n".encode())

    @property
    def headers(self) -> dict[str, str]:
        sizes = (piece.stat().st_size if isinstance(piece, Path) else len(piece) for piece in self.pieces)
        return {"Content-Type": f"multipart/form-data; boundary={self.boundary}", "Content-Length": str(sum(sizes))}

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if not isinstance(piece, Path):
                yield piece
                continue
            with piece.open("rb") as file:
                yield from pieces_of(file)


class Site:
    """A lunasite and the token to call it with."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token
        self._opener = urllib.request.build_opener(NoRedirects)

    def get(self, path: str, **query: Any) -> Any:
        filled = {name: value for name, value in query.items() if value not in (None, "")}
        return self.json("GET", path + ("?" + urllib.parse.urlencode(filled) if filled else ""))

    def json(
        self,
        method: str,
        path: str,
        value: Any = None,
        *,
        form: Form | None = None,
        headers: Mapping[str, str] | None = None,
        may_repeat: bool = True,
    ) -> Any:
        """Return the JSON of an answer. Raises ClientError with the site's sentence."""
        headers = dict(headers or {})
        body: Any = form
        if value is not None:
            body, headers["Content-Type"] = json.dumps(value).encode(), "application/json"
        with self.open(method, path, body, headers, may_repeat=may_repeat) as answer:
            text = b"".join(received(answer, path))
        try:
            return json.loads(text) if text else {}
        except ValueError:
            raise ClientError(f"{self.url} does not answer as a lunasite does; is the address right?") from None

    def open(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        with_token: bool = True,
        may_repeat: bool = True,
    ) -> Any:
        """Return an answer to read. A call that may be repeated is, for a while, when the site cannot be reached."""
        url = path if "://" in path else self.url + path
        for attempt in range(TRIES):
            try:
                return self._opener.open(self._request(method, url, body, headers, with_token), timeout=TIMEOUT_S)
            except urllib.error.HTTPError as error:
                failure, wait_s = refusal(error), retry_after(error)
                is_temporary = error.code in TEMPORARY or (error.code == 429 and failure.code != USED_UP)
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                failure, wait_s = ClientError(f"{url} cannot be reached: {getattr(error, 'reason', error)}"), None
                is_temporary = not isinstance(getattr(error, "reason", None), ValueError)
            if not (may_repeat and is_temporary) or attempt == TRIES - 1 or (wait_s or 0) > MAX_WAIT_S:
                raise failure
            time.sleep(wait_s if wait_s is not None else min(2**attempt / 2, 15))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _request(
        self, method: str, url: str, body: Any, headers: Mapping[str, str] | None, with_token: bool
    ) -> urllib.request.Request:
        headers = {"User-Agent": f"lunasite-client/{__version__}", "Accept": "application/json", **dict(headers or {})}
        if with_token and self.token and url.startswith(self.url + "/"):
            headers["Authorization"] = f"Bearer {self.token}"
        if isinstance(body, Form):
            headers.update(body.headers)
            body = iter(body)
        try:
            return urllib.request.Request(url, data=body, headers=headers, method=method)
        except ValueError as error:
            raise ClientError(f"{url!r} is not an address: {error}", USAGE) from None

    def download(self, path: str, target: Path, sha256: str | None = None, label: str = "") -> Path:
        """Write a file of the site to `target`, whole or not at all. Raises ClientError if its digest is another."""
        part, digest = target.with_name(f".{target.name}.{os.getpid()}"), hashlib.sha256()
        try:
            with self.open("GET", path) as answer, part.open("wb") as file:
                size, done = int(answer.headers.get("Content-Length") or 0), 0
                for piece in received(answer, path):
                    file.write(piece)
                    digest.update(piece)
                    done += len(piece)
                    progress(label, done, size)
            if sha256 and digest.hexdigest() != sha256:
                raise ClientError(f"{path} is not what the site announced (sha256); it was not used.")
            os.replace(part, target)
        finally:
            progress_end()
            if part.exists():
                part.unlink()
        return target


def refusal(error: Any) -> ClientError:
    """Return the ClientError that an HTTP error stands for."""
    try:
        answer = json.loads(error.read())
        message = answer["message"]
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        answer, message = {}, f"The site answered {error.code} {error.reason}."
        if 300 <= error.code < 400:
            message += f" It leads to {error.headers.get('Location')}; give that address as --site."
    answer = {"status": "error", "message": message, "http_status": error.code, **answer}
    return ClientError(message, exit_code(error.code, answer.get("error_code", "")), answer)


def exit_code(status: int, error_code: str) -> int:
    if error_code in QUOTA_CODES:
        return USED_UP
    if status == 401 or (status == 403 and error_code != "PHASE_CLOSED"):
        return NOT_ALLOWED
    return UNREACHED if status == 429 or status >= 500 or status < 400 else REFUSED


def retry_after(error: Any) -> int | None:
    text = error.headers.get("Retry-After", "")
    return int(text) if text.isdigit() else None


# Output


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def show(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=not is_utf8()))


def is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


_progress = {"shown": False}


def progress(label: str, done: int, total: int) -> None:
    if label and total and sys.stderr.isatty():
        sys.stderr.write(f"\r{label}: {100 * done // total} % of {megabytes(total)}   ")
        sys.stderr.flush()
        _progress["shown"] = True


def progress_end() -> None:
    if _progress["shown"]:
        sys.stderr.write("\n")
        _progress["shown"] = False


def megabytes(size: float) -> str:
    return f"{size / (1 << 20):.1f} MB"


def table(rows: Iterable[Sequence[Any]], header: Sequence[str]) -> None:
    """Print rows in columns, numbers as they are; what a terminal would obey is left out."""
    cells = [[clean(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def clean(value: Any) -> str:
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else " " for char in text)


def clean_lines(text: str) -> str:
    return "\n".join(clean(line) for line in text.splitlines())


# Commands: each returns an exit code


def login(site: Site, options: Options) -> int:
    token = options.token
    if not token:
        username = options.username or input(f"User name at {site.url}: ")
        secret = getpass.getpass("Password: ")
        name = options.name or f"lunasite.py on {platform.node() or 'a computer'}"
        requested = {"username": username, "password": secret, "name": name[:80]}
        token = site.json("POST", "/api/v1/auth/token", requested, may_repeat=False)["token"]
    if not site.url.startswith("https://") and urllib.parse.urlsplit(site.url).hostname not in LOOPBACK:
        say("Warning: this address is not https; whoever listens on the way can read the token.")
    Site(site.url, token).get("/api/v1/submissions", page_size=1)
    path = keep_token(site.url, token)
    done = {"status": "ok", "site": site.url, "kept_in": str(path)}
    show(done) if options.json else print(f"Signed in at {site.url}; the token is kept in {path}.")
    return OK


LOOPBACK = ("localhost", "127.0.0.1", "::1")


def phases(site: Site, options: Options) -> int:
    if options.phase:
        return phase_detail(site, options)
    found = every(site, "/api/v1/phases")
    if options.json:
        show(found)
        return OK
    rows = [
        (
            phase["slug"],
            "open" if phase["is_open"] else "closed",
            phase["closes_at"] or "",
            tries(phase),
            phase["title"],
        )
        for phase in found
    ]
    table(rows, ("PHASE", "STATE", "CLOSES", "TRIES LEFT", "TITLE"))
    return OK


def every(site: Site, path: str) -> list[dict[str, Any]]:
    """Return a list of the site's whole, which comes in pages."""
    found: list[dict[str, Any]] = []
    while True:
        page = site.get(path, page_size=100, page=len(found) // 100 + 1 if found else None)
        found += page["results"]
        if not page["next"] or not page["results"]:
            return found


def tries(phase: dict[str, Any]) -> Any:
    return "" if phase["tries_left"] is None else phase["tries_left"]


def phase_detail(site: Site, options: Options) -> int:
    phase = site.get(f"/api/v1/phases/{quoted(options.phase)}")
    if options.json:
        show(phase)
        return OK
    for name in ("title", "task", "cases", "is_open", "opens_at", "closes_at", "metric", "direction", "tries_left"):
        print(f"{name + ':':12} {clean(phase[name])}")
    container = phase["container"] or {}
    for name, value in container.get("limits", {}).items():
        print(f"{name + ':':18} {clean(value)}")
    for contract, command in container.get("run_at_home", {}).items():
        print(f"\nThe container of contract {contract}, as it is run:\n{clean_lines(command)}")
    return OK


def data(site: Site, options: Options) -> int:
    """Fetch the template and the sample cases of a phase into a folder."""
    phase = site.get(f"/api/v1/phases/{quoted(options.phase)}")
    folder = Path(options.output or phase["slug"])
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    if phase["csv"]:
        files.append(site.download(phase["csv"]["template"], folder / "template.csv"))
    if phase["container"] and not options.no_cases:
        trial = site.get(phase["container"]["trial"])
        for case in one_of_each_file(trial["cases"]):
            files.append(site.download(case["image"], folder / safe_name(case["file"]), label=case["file"]))
        cases = [{name: case[name] for name in ("id", "file", "facts")} for case in trial["cases"]]
        (folder / "cases.json").write_text(json.dumps(cases, indent=2), encoding="utf-8")
        files.append(folder / "cases.json")
        if trial["is_made_up"]:
            say("The phase has no public sample cases; these are made up.")
    show([str(path) for path in files]) if options.json else print("\n".join(map(str, files)))
    return OK


def one_of_each_file(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({case["file"]: case for case in cases}.values())


def safe_name(name: str) -> str:
    """Return a name of the site's as one of a file beside the others: no path leads elsewhere."""
    return Path(name.replace("\\", "/")).name.lstrip(".") or "file"


def quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def check(site: Site, options: Options) -> int:
    form = Form([], [("file", existing(options.file))])
    answer = site.json("POST", f"/api/v1/phases/{quoted(options.phase)}/check", form=form)
    show(answer) if options.json else print("The file is fine; no try was used.", facts_of(answer))
    return OK


def facts_of(answer: dict[str, Any]) -> str:
    """Return what an answer says, for people: `rows: 40, value columns: probability`."""
    shown = {name.replace("_", " "): value for name, value in answer.items() if name != "status" and value}
    lists = {name: ", ".join(map(str, value)) for name, value in shown.items() if isinstance(value, list)}
    return ", ".join(f"{name}: {clean(lists.get(name, value))}" for name, value in shown.items())


def existing(path: str | Path) -> Path:
    if not Path(path).is_file():
        raise ClientError(f"There is no file {path}.", USAGE)
    return Path(path)


def submit(site: Site, options: Options) -> int:
    if sum(map(bool, (options.file, options.image, options.again))) != 1:
        raise ClientError(
            "Name a file to submit, an image of your engine with --image, or one sent before with --again.", USAGE
        )
    names = ("title", "comment", "model_name", "model_version", "code_url", "paper_url")
    fields = {name: getattr(options, name) for name in names if getattr(options, name)}
    fields["phase"] = options.phase
    if options.file and Path(options.file).suffix.lower() == ".csv":
        answer = submit_csv(site, existing(options.file), fields)
    else:
        answer = submit_image(site, options, fields)
    if not options.wait:
        show(answer) if options.json else print(f"{answer['id']}  {clean(answer.get('message') or 'Received.')}")
        return OK
    say(f"Submission {answer['id']}")
    return follow(site, answer["id"], options.json)


def submit_csv(site: Site, path: Path, fields: dict[str, Any]) -> dict[str, Any]:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    return site.json("POST", "/api/v1/submissions", form=Form(fields.items(), [("file", path)]), headers=key)


def submit_image(site: Site, options: Options, fields: dict[str, Any]) -> dict[str, Any]:
    """Send an image, and the model archive it is combined with, in parts; submit both once they are there."""
    path = None if options.again else existing(options.file) if options.file else saved_image(options)
    fields = {**fields, "contract": options.contract, "model_endpoint": options.endpoint, "adapter": options.adapter}
    fields["writable_folders"] = options.writable_folders
    fields = {name: value for name, value in fields.items() if value}
    if options.image:
        fields["docker_image_name"] = options.image
    uploads = []
    if is_id(options.model_archive):
        fields["model_archive"] = options.model_archive
    elif options.model_archive:
        uploads.append(Upload(site, existing(options.model_archive), options.phase, "model"))
        fields["model_archive"] = uploads[-1].send()
    if path is None:
        fields["image"] = options.again
    else:
        uploads.append(Upload(site, path, options.phase))
        fields["upload"] = uploads[-1].send()
    headers = {"Idempotency-Key": uploads[-1].state["key"] if uploads else uuid.uuid4().hex}
    answer = site.json("POST", "/api/v1/submissions/docker", fields, headers=headers)
    for finished in uploads:
        finished.forget()
    if options.image and path:
        path.unlink()
    return answer


def is_id(text: str | None) -> bool:
    try:
        return bool(text) and str(uuid.UUID(text)) == str(text).lower()
    except ValueError:
        return False


def saved_image(options: Options) -> Path:
    """Return the archive of an image of the engine, as `docker save` writes it; one is kept until it is submitted."""
    image_id = docker(options, "image", "inspect", "--format", "{{.Id}}", options.image).strip()
    path = cache_dir("images") / f"{image_id.split(':')[-1][:32]}.tar"
    if not path.is_file():
        say(f"Saving {options.image} …")
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            docker(options, "save", "--output", str(part), options.image)
            os.replace(part, path)
        finally:
            if part.exists():
                part.unlink()
    return path


def docker(options: Options, *arguments: str) -> str:
    """Run the engine's command line and return what it prints. Raises ClientError with the tail of its log."""
    command = [*shlex.split(options.docker), *arguments]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False
        )
    except OSError as error:
        raise ClientError(f"{command[0]} cannot be started: {error}") from None
    if done.returncode:
        raise ClientError(f"{command[0]} {arguments[0]}: {clean(done.stderr.decode('utf-8', 'replace')).strip()}")
    return done.stdout.decode("utf-8", "replace")


class Upload:
    """A file on its way in parts. What is there already, the site knows; which upload it is, a small file here."""

    def __init__(self, site: Site, path: Path, phase: str, purpose: str = "image") -> None:
        self.site, self.path, self.purpose = site, path, purpose
        facts = path.stat()
        self.size = facts.st_size
        name = f"{site.url}\n{path.resolve()}\n{self.size}\n{facts.st_mtime_ns}\n{phase}\n{purpose}"
        self._file = cache_dir("uploads") / f"{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}.json"
        self.state = self._read()
        self._lock, self._sent = threading.Lock(), 0

    def send(self) -> str:
        """Send what is missing and return the upload's id. Interrupted, it goes on the next time."""
        if "sha256" not in self.state:
            self._keep(sha256=digest_of(self.path), key=uuid.uuid4().hex)
        upload = self._known() or self._begin()
        try:
            while not upload["is_complete"]:
                self._send_parts(upload)
                upload = self._complete(upload)
        except (ClientError, KeyboardInterrupt):
            progress_end()
            say("The upload stopped; the same command goes on where it was.")
            raise
        progress_end()
        return upload["id"]

    def forget(self) -> None:
        if self._file.exists():
            self._file.unlink()

    def _known(self) -> dict[str, Any] | None:
        try:
            return self.site.get(f"/api/v1/uploads/{self.state['upload']}") if "upload" in self.state else None
        except ClientError as error:
            if error.error_code != "NOT_FOUND":
                raise
            return None  # expired

    def _begin(self) -> dict[str, Any]:
        requested = {"filename": name_of(self.path), "size": self.size, "sha256": self.state["sha256"]}
        requested["purpose"] = self.purpose
        upload = self.site.json("POST", "/api/v1/uploads", requested, may_repeat=False)
        self._keep(upload=upload["id"], key=uuid.uuid4().hex)
        return upload

    def _send_parts(self, upload: dict[str, Any]) -> None:
        missing = [number for number in range(1, upload["parts"] + 1) if number not in upload["received"]]
        self._sent = upload["size"] - sum(self._size(upload, number) for number in missing)
        with concurrent.futures.ThreadPoolExecutor(PARALLEL_PARTS) as pool:
            for first in range(0, len(missing), PARTS_A_BATCH):
                numbers = {"numbers": missing[first : first + PARTS_A_BATCH]}
                parts = self.site.json("POST", f"/api/v1/uploads/{upload['id']}/parts", numbers)["parts"]
                sending = [pool.submit(self._send, upload, part) for part in parts]
                try:
                    for sent in sending:
                        sent.result()
                finally:
                    for sent in sending:
                        sent.cancel()  # after the first that failed; those that are done stay done

    @staticmethod
    def _size(upload: dict[str, Any], number: int) -> int:
        return min(upload["part_size"], upload["size"] - (number - 1) * upload["part_size"])

    def _send(self, upload: dict[str, Any], part: dict[str, Any]) -> None:
        with self.path.open("rb") as file:
            file.seek((part["number"] - 1) * upload["part_size"])
            body = file.read(part["size"])
        if len(body) != part["size"]:
            raise ClientError(f"{self.path} has changed while it was sent; start again.", REFUSED)
        kind = {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        # A direct address is the object store's own, which must not see the token. The site's own may be spelt by
        # a proxy otherwise than the one we know it by.
        url = part["url"] if part["direct"] else urllib.parse.urlsplit(part["url"]).path
        self.site.open(part["method"], url, body, kind, with_token=not part["direct"]).close()
        with self._lock:
            self._sent += len(body)
            progress(f"Sending {self.path.name}", self._sent, self.size)

    def _complete(self, upload: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.site.json("POST", f"/api/v1/uploads/{upload['id']}/complete")
        except ClientError as error:
            if error.error_code == "UPLOAD_INCOMPLETE":
                return self.site.get(f"/api/v1/uploads/{upload['id']}")
            self.forget()  # nothing of it can be used
            raise

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _keep(self, **facts: Any) -> None:
        self.state.update(facts)
        write_private(self._file, json.dumps(self.state).encode())


def digest_of(path: Path) -> str:
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        for piece in pieces_of(file):
            digest.update(piece)
            done += len(piece)
            progress(f"Reading {path.name}", done, size)
    progress_end()
    return digest.hexdigest()


def watch(site: Site, options: Options) -> int:
    return follow(site, options.id, options.json)


def follow(site: Site, submission_id: str, as_json: bool) -> int:
    """Print how an evaluation moves until it ends; a failed or cancelled one gives exit code 1."""
    reply, waits = "", iter(WATCH_S)
    while True:
        submission = site.get(f"/api/v1/submissions/{quoted(submission_id)}")
        sentence = clean(submission["progress"]["sentence"])
        if sentence != reply:
            say(sentence)
            reply = sentence
        if submission["evaluation_status"] in FINISHED:
            break
        time.sleep(next(waits, WATCH_S[-1]))
    if as_json:
        show(submission)
    else:
        print_trial(submission)
        print_scores(submission["scores"])
    return OK if submission["evaluation_status"] == "completed" else REFUSED


def print_trial(submission: dict[str, Any]) -> None:
    """Print what a trial on public sample cases has to say: what to change, and the answer that shows it."""
    trial = submission.get("trial") or {}
    if trial.get("answer"):
        say(f"It answered with status {trial.get('status')}: {clean(trial['answer'])}")
    elif trial.get("status"):
        say(f"It answered with status {trial['status']}.")
    for sentence in filter(None, (trial.get("diagnosis"), trial.get("left_read_only"))):
        print(clean(sentence))


def print_scores(scores: dict[str, Any]) -> None:
    for split, values in scores.items():
        rows = [(name, value, interval(values.get(f"{name}_ci"))) for name, value in values.items() if is_number(value)]
        print(f"{split}:")
        table(rows, ("METRIC", "VALUE", "95 % INTERVAL"))


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def interval(intervals: Any) -> str:
    """Return the interval that the site shows as text (the first of its order in docs/metrics.md)."""
    if not isinstance(intervals, dict) or not intervals:
        return ""
    names = [
        name for name in ("logit", "newcombe", "wilson", "quantile", "loss", "exact", "patient") if intervals.get(name)
    ]
    low, high = intervals[names[0]] if names else next(iter(intervals.values())) or (None, None)
    return "" if low is None else f"{low} to {high}"


def logs(site: Site, options: Options) -> int:
    submission = site.get(f"/api/v1/submissions/{quoted(options.id)}")
    log = submission.get("smoke_log") or ""
    if options.json:
        names = ("id", "evaluation_status", "smoke_log", "failure", "trial")
        show({name: submission[name] for name in names if name in submission})
    elif log:
        print(clean_lines(log))
    if submission["failure"]:
        say(clean(submission["evaluation_error"]))
    if not options.json:
        print_trial(submission)
    if not (log or submission["failure"]):
        say("There is no log: a CSV has none, and an image's comes with its trial on the sample cases.")
    return OK


def report(site: Site, options: Options) -> int:
    answer = site.get(f"/api/v1/submissions/{quoted(options.id)}/report")
    if options.json:
        show(answer)
        return OK
    print(f"{answer['submission']}  {answer['phase']}  {answer['evaluation_status']}")
    print_scores(answer["scores"])
    table(answer["timings"].items(), ("TIMING", "")) if answer["timings"] else None
    return OK


def board(site: Site, options: Options) -> int:
    query = {"phase": options.phase, "metric": options.metric, "split": options.split}
    query["show"] = "all" if options.all else None
    if options.csv:
        filled = {name: value for name, value in {**query, "format": "csv"}.items() if value}
        with site.open("GET", "/api/v1/leaderboard?" + urllib.parse.urlencode(filled)) as answer:
            for piece in received(answer, "The board"):
                sys.stdout.buffer.write(piece)  # as the site wrote it: UTF-8, whatever the terminal speaks
        return OK
    answer = site.get("/api/v1/leaderboard", **query)
    if options.json:
        show(answer)
        return OK
    rows = [
        (
            "baseline" if row["rank"] is None else row["rank"],
            row["team"],
            row["score"],
            interval_of(row),
            row["submitted_at"],
        )
        for row in answer["rows"]
    ]
    table(rows, ("RANK", "TEAM", answer["metric"].upper(), "INTERVAL", "SUBMITTED"))
    return OK


def interval_of(row: dict[str, Any]) -> str:
    return "" if row["ci_low"] is None else f"{row['ci_low']} to {row['ci_high']}"


def predict(site: Site, options: Options) -> int:
    """Ask the site's own models. Not for clinical use."""
    files = [existing(path) for path in options.files]
    answer = predict_lesion(site, options, files) if options.task == "lesion" else predict_slices(site, files)
    if options.json or options.task == "slice":
        show(answer)
    else:
        table([(answer["data"]["probability"], answer["modelVersion"])], ("PROBABILITY", "MODEL"))
    results = answer.get("results", [])
    return REFUSED if any(result.get("status") == "error" for result in results) else OK


def predict_lesion(site: Site, options: Options, files: list[Path]) -> dict[str, Any]:
    if len(files) != 1 or options.at is None:
        raise ClientError("Name one volume, and a point of it with --at X Y Z (mm, LPS).", USAGE)
    fields = [("seriesInstanceUID", options.series), ("lesionID", options.lesion)]
    fields += zip(("coordX", "coordY", "coordZ"), options.at)
    sent = [("file", files[0])] + ([("rawFile", existing(options.raw))] if options.raw else [])
    return site.json("POST", "/api/v1/predict/lesion", form=Form(fields, sent))


def predict_slices(site: Site, files: list[Path]) -> dict[str, Any]:
    path = "/api/v1/predict/ct" if len(files) == 1 else "/api/v1/predict/ct/batch"
    return site.json("POST", path, form=Form([], [("file", file) for file in files]))


# A trial at home


def try_image(site: Site, options: Options) -> int:
    """Run an image on this machine's engine as the site does, on the sample cases, by the site's own programs."""
    if sys.version_info < (3, 11):
        raise ClientError(f"try needs Python 3.11 or newer; this is {sys.version.split()[0]}.", USAGE)
    phase = site.get(f"/api/v1/phases/{quoted(options.phase)}")
    if not phase["container"]:
        raise ClientError("This phase takes no images.", REFUSED)
    wanted = {"contract": options.contract, "model_endpoint": options.endpoint, "adapter": options.adapter}
    wanted["writable_folders"] = options.writable_folders
    trial = site.get(phase["container"]["trial"], **wanted)
    runner = cache_dir("programs") / f"runner-{trial['runner']['sha256'][:32]}.zip"
    if not runner.is_file() or digest_of(runner) != trial["runner"]["sha256"]:
        site.download(trial["runner"]["url"], runner, trial["runner"]["sha256"])
    task = {
        "trial": trial, "folder": str(trial_cases(site, trial)), "image": image_of(options),
        "driver_image": options.driver_image or driver_image(site, trial["driver"], options),
        "contract": trial["contract"], "endpoint": trial["model_endpoint"], "adapter": trial["adapter"],
        "program": options.docker, "writable_folders": trial.get("writable_folders", []),
        "model_archive": str(existing(options.model_archive)) if options.model_archive else "",
    }  # fmt: skip
    return told_outcome(run_zip(runner, task, options), trial, options)


def trial_cases(site: Site, trial: dict[str, Any]) -> Path:
    """Return the folder with the images of a trial; those of the same data are fetched once."""
    folder = cache_dir("cases", safe_name(trial["phase"]) + "-" + safe_name(trial["data"]))
    os.chmod(folder, 0o755)  # the container runs as another user
    for case in one_of_each_file(trial["cases"]):
        path = folder / safe_name(case["file"])
        if not path.is_file():
            site.download(case["image"], path, label=case["file"])
            os.chmod(path, 0o644)
    return folder


def image_of(options: Options) -> str:
    """Return the image's name at the engine; an archive is loaded first."""
    if not Path(options.image).is_file():
        docker(options, "image", "inspect", "--format", "{{.Id}}", options.image)
        return options.image
    response = docker(options, "load", "--input", options.image)
    names = [line.split(": ", 1)[1].strip() for line in response.splitlines() if line.startswith("Loaded image")]
    if not names:
        raise ClientError(f"The engine does not say what it loaded from {options.image}.")
    return names[-1]


def driver_image(site: Site, driver: dict[str, Any], options: Options) -> str:
    """Return the image that makes the calls, loaded once for each of its versions."""
    name = f"lunasite-driver:{driver['sha256'][:32]}"
    try:
        docker(options, "image", "inspect", "--format", "{{.Id}}", name)
        return name
    except ClientError:
        path = site.download(driver["url"], cache_dir("programs") / "driver.tar.gz", driver["sha256"], "Driver image")
    try:
        response = docker(options, "load", "--input", str(path))
    finally:
        path.unlink()
    loaded = [word for word in response.split() if word.startswith("sha256:")]
    docker(options, "tag", loaded[-1] if loaded else driver["image_id"], name)
    return name


def run_zip(runner: Path, task: dict[str, Any], options: Options) -> dict[str, Any]:
    """Run the site's runner in a Python of its own and return the outcome."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", RUN_ZIP, str(runner)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(task))
        process.stdin.close()
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "outcome":
                return event
            told_event(event, len(task["trial"]["cases"]), options)
        raise ClientError("The runner ended without an outcome; see above.")
    except KeyboardInterrupt:
        process.wait(60)  # it was interrupted too, and takes its containers away
        raise
    finally:
        process.stdout.close()
        process.wait()


def told_event(event: dict[str, Any], total: int, options: Options) -> None:
    if event["event"] == "answered" and not options.json:
        say(f"{clean(event['case'])}: {event['answer']}  {event['seconds']:.2f} s")
    elif event["event"] == "note":
        say(clean(event["note"]))
    elif event["event"] == "stage":
        say(f"{event['stage']} ({total} cases)")


def told_outcome(outcome: dict[str, Any], trial: dict[str, Any], options: Options) -> int:
    known = trial["failures"].get(outcome.get("code"), {})
    is_ours = outcome.get("code", "").startswith("SYSTEM_")
    outcome = {**outcome, "contract": trial["contract"], "is_made_up": trial["is_made_up"]}
    if not outcome["ok"]:
        outcome["stage"] = known.get("stage", "")
        # Of the engine here, what the platform says of its own is not true.
        # A diagnosis names the remedy itself.
        sentence = known.get("happened" if outcome.get("diagnosis") else "sentence") or known.get("sentence")
        outcome["sentence"] = outcome["detail"] if is_ours else sentence or outcome["code"]
    if options.json:
        show(outcome)
    else:
        print_outcome(outcome)
    if outcome["ok"]:
        return OK
    return UNREACHED if is_ours else REFUSED


def print_outcome(outcome: dict[str, Any]) -> None:
    if outcome["log"]:
        say("\n".join("| " + line for line in clean_lines(outcome["log"]).splitlines()[-40:]))
    if outcome["ok"]:
        peak = f", peak memory {megabytes(outcome['peak_memory_bytes'])}" if outcome["peak_memory_bytes"] else ""
        print(f"The image answered all {len(outcome['answers'])} cases in {outcome['predict_s']:.1f} s{peak}.")
    else:
        if outcome.get("answer"):
            say(f"It answered with status {outcome['status']}: {clean(outcome['answer'])}")
        print(f"{outcome['code']}: {clean(outcome['sentence'])} {clean(outcome['note'])}".rstrip())
        print_trial({"trial": {"diagnosis": outcome.get("diagnosis")}})


# The command line


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--site", help="address of the site (or LUNASITE_URL)")
    common.add_argument("--token", help="API token (or LUNASITE_TOKEN)")
    common.add_argument("--json", action="store_true", help="print JSON")
    engine = argparse.ArgumentParser(add_help=False)
    engine.add_argument(
        "--docker",
        default=os.environ.get("LUNASITE_DOCKER", "docker"),
        help="the engine's command line, such as podman",
    )
    contract = argparse.ArgumentParser(add_help=False)
    contract.add_argument("--contract", help="container contract; the phase's page lists them")
    contract.add_argument("--endpoint", help="path your service answers at")
    contract.add_argument("--writable-folders", help="folders your program writes to, joined by commas")
    contract.add_argument("--adapter", help='JSON: how your service differs, such as {"port": 9000}')

    top = argparse.ArgumentParser(
        prog="lunasite", description=__doc__.splitlines()[0], formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=__doc__[__doc__.index("The site is") :],
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True

    def command(
        name: str, run: Callable[[Site, Options], int], about: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about, parents=[common, *parents])
        sub.set_defaults(run=run)
        return sub

    sub = command("login", login, "keep a token for a site; asks for user name and password")
    sub.add_argument("--username")
    sub.add_argument("--name", help="name of the token, to tell tokens apart")
    sub = command("phases", phases, "list the phases, or show one")
    sub.add_argument("phase", nargs="?")
    sub = command("data", data, "fetch the CSV template and the sample cases of a phase")
    sub.add_argument("phase")
    sub.add_argument("--output", "-o", help="folder (default: the phase's name)")
    sub.add_argument("--no-cases", action="store_true", help="the template only")
    sub = command("check", check, "check a CSV; uses no try")
    sub.add_argument("phase")
    sub.add_argument("file")
    sub = command("try", try_image, "run an image here as the site does, on the sample cases", engine, contract)
    sub.add_argument("phase")
    sub.add_argument("image", help="name of an image at your engine, or an archive")
    sub.add_argument("--driver-image", help="an image loaded already, instead of the site's")
    sub.add_argument("--model-archive", help=".tar.gz with the weights, apart from the image")
    sub = command("submit", submit, "submit a CSV or an image", engine, contract)
    sub.add_argument("phase")
    sub.add_argument("file", nargs="?", help=".csv, or .tar, .tar.gz, .tgz of `docker save`")
    sub.add_argument("--image", help="save this image of your engine and submit it")
    sub.add_argument("--again", metavar="ID", help="send the image of this earlier submission of your team once more")
    sub.add_argument("--model-archive", help=".tar.gz with the weights, apart from the image, or the id of one sent")
    sub.add_argument("--title")
    sub.add_argument("--comment")
    sub.add_argument("--model-name", help="shown on the leaderboard, as are the version and the links")
    sub.add_argument("--model-version")
    sub.add_argument("--code-url", help="where the code is, https://…")
    sub.add_argument("--paper-url")
    sub.add_argument("--wait", action="store_true", help="watch until the evaluation has ended")
    for name, run, about in (
        ("watch", watch, "follow an evaluation until it ends"),
        ("logs", logs, "what the container printed on the sample cases"),
        ("report", report, "scores, intervals and timings"),
    ):
        command(name, run, about).add_argument("id", help="of the submission")
    sub = command("board", board, "the leaderboard of a phase")
    sub.add_argument("phase")
    sub.add_argument("--metric")
    sub.add_argument("--split", choices=("public", "private"))
    sub.add_argument("--all", action="store_true", help="every entry, not the best of each team")
    sub.add_argument("--csv", action="store_true", help="print CSV")
    sub = command("predict", predict, "ask the site's own models; not for clinical use")
    sub.add_argument("task", choices=("lesion", "slice"))
    sub.add_argument("files", nargs="+", metavar="FILE")
    sub.add_argument("--at", nargs=3, metavar=("X", "Y", "Z"), help="the lesion, world mm, LPS")
    sub.add_argument("--raw", help="data file of a .mhd")
    sub.add_argument("--series", default="1", help="seriesInstanceUID; echoed")
    sub.add_argument("--lesion", default="1", help="lesionID; echoed")
    return top


def site_of(options: Options) -> Site:
    """Return the site and the token to use: options first, then the environment, then what `login` kept."""
    url = (options.site or os.environ.get("LUNASITE_URL") or SITE).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ClientError("Which site? Give its address, with https://, as --site or LUNASITE_URL.", USAGE)
    return Site(url, options.token or os.environ.get("LUNASITE_TOKEN") or tokens().get(url, ""))


def main(arguments: list[str] | None = None) -> int:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that a terminal or file here cannot hold
    options = parser().parse_args(arguments)
    try:
        return options.run(site_of(options), options)
    except ClientError as error:
        return told_error(error, options)
    except EOFError:
        say("There is no terminal to ask at. Make a token on your account page; then: login --token TOKEN")
        return USAGE
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def told_error(error: ClientError, options: Options) -> int:
    progress_end()
    if options.json:
        show(error.answer)
    say(clean(str(error)))
    details = error.answer.get("details") or {}
    for problem in details.get("problems", []):
        say("  " + clean(problem_line(problem)))
    if error.code == USED_UP and details.get("next_try_at"):
        say(f"The next try is free at {clean(details['next_try_at'])}.")
    if error.answer.get("http_status") == 401:
        say(f"Sign in with: {Path(sys.argv[0]).name} login")
    return error.code


def problem_line(problem: dict[str, Any]) -> str:
    where = f"line {problem['row']}: " if problem.get("row") else ""
    column = f"{problem['column']}: " if problem.get("column") else ""
    return f"{where}{column}{problem['reason']}"


if __name__ == "__main__":
    sys.exit(main())
