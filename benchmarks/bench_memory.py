"""Memory of the web processes over 1,000 mixed requests, and what they leave behind.

    make bench-memory

Good and bad scans, slices and feedback, refused callers and pages, eight at a time, on the site as it is served.
"""

import argparse
import http.client
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.harness.load import BOUNDARY, multipart
from benchmarks.harness.results import Result, show
from benchmarks.harness.servers import Server, site
from inference.tests.samples import mha, picture
from inference.web import examples

WEIGHTS = Path(__file__).resolve().parents[1] / "inference" / "weights"
WARM_UP = 150
CONCURRENCY = 8
MEGABYTE = 2**20
LIMIT_MB = 50  # issue 4: flat within 50 MB


@dataclass(frozen=True)
class Request:
    """with_token: whether the caller says who it is. expected: the statuses that are right."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = ""
    with_token: bool = True
    expected: tuple[int, ...] = (200,)


def mixed_requests() -> list[Request]:
    """Return the mixture that is sent over and over."""
    example = examples.phantom()
    point = dict(zip(("coordX", "coordY", "coordZ"), map(str, example.point_xyz_mm), strict=True))
    ids = {"seriesInstanceUID": "1.2.3", "lesionID": "1"}
    outside = {**ids, **dict.fromkeys(point, "99999")}
    lesion, ct, feedback = "/api/v1/predict/lesion", "/predict", "/feedback"
    verdict = {"predicted_class": "normal", "is_correct": "false", "correct_class": "adenocarcinoma"}
    png = picture((512, 400))
    busy = (200, 503)
    return [
        *[form(lesion, ids | point, example.mha, expected=busy)] * 3,
        form(lesion, outside, example.mha, expected=(400, 503)),
        form(lesion, ids | point, example.mha[:-5], expected=(400, 503)),
        form(lesion, ids | point, mha(b"", ElementDataFile="/etc/passwd"), expected=(400, 503)),
        form(lesion, ids | point, example.mha, expected=(401,), with_token=False),
        *[form(ct, {}, png, "slice.png", expected=busy)] * 4,
        form(ct, {}, b"<svg/>", "slice.png", expected=(400, 503)),
        form(feedback, verdict, png, "slice.png", expected=busy),
        form(feedback, {"predicted_class": "cat"}, png, "slice.png", expected=(400,)),
        *[Request("GET", path) for path in ("/try", "/health", "/metrics", "/api/v1/schema")],
        Request("GET", "/api/v1/nowhere", expected=(404,)),
    ]


def form(
    path: str,
    fields: dict[str, str],
    file: bytes,
    name: str = "scan.mha",
    *,
    expected: tuple[int, ...],
    with_token: bool = True,
) -> Request:
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return Request("POST", path, multipart(fields, file, name), kind, with_token, expected)


def send(server: Server, request: Request) -> None:
    """Send one request over a connection of its own. Raises RuntimeError for a status that is not right."""
    headers = {"Content-Type": request.content_type} if request.content_type else {}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request(
            request.method, request.path, request.body, headers | (server.headers if request.with_token else {})
        )
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status not in request.expected:
        raise RuntimeError(f"{request.method} {request.path}: {answer.status} {text[:300]!r}")


def send_many(server: Server, requests: list[Request], count: int) -> None:
    with ThreadPoolExecutor(CONCURRENCY) as callers:
        list(callers.map(lambda i: send(server, requests[i % len(requests)]), range(count)))


def web_rss_mb(server: Server) -> list[float]:
    """Return the resident memory of each web process: the children of gunicorn's master."""
    return [child.memory_info().rss / MEGABYTE for child in psutil.Process(server.pid).children()]


def measure(count: int) -> list[Result]:
    requests = mixed_requests()
    with tempfile.TemporaryDirectory() as folder:
        uploads, data = Path(folder, "uploads"), Path(folder, "data")
        uploads.mkdir()
        data.mkdir()
        os.environ |= {"TMPDIR": str(uploads), "PREDICT_TIMEOUT_SECONDS": "300"}
        os.environ |= {"THROTTLE_SLICE": "1000000/min", "THROTTLE_FEEDBACK": "1000000/min"}
        with site(WEIGHTS, data) as server:
            send_many(server, requests, WARM_UP)
            before = web_rss_mb(server)
            began = time.monotonic()
            send_many(server, requests, count)
            seconds = time.monotonic() - began
            after = web_rss_mb(server)
            left = [path.name for path in uploads.iterdir() if "upload" in path.name]
    growth = max(late - early for early, late in zip(before, after, strict=True))
    figures = f"{', '.join(f'{early:.0f} → {late:.0f} MB' for early, late in zip(before, after, strict=True))}"
    return [
        Result("flat", f"MB a web process grew over {count} mixed requests", growth, LIMIT_MB, figures, at_most=True),
        Result("clean", "temporary files left behind", len(left), 0, f"{count / seconds:.0f} requests/s", at_most=True),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1000)
    results = measure(parser.parse_args().requests)
    show("Memory of the web processes", results)
    return 0 if all(result.is_met for result in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
