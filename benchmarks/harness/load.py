"""A small HTTP load: the same multipart body from several kept-alive connections."""

import http.client
import json
import threading
import time
from pathlib import Path

from benchmarks.harness.servers import Server

BOUNDARY = "lunasite-benchmark-boundary"


def multipart(fields: dict[str, str], file: bytes, name: str = "scan.mha") -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return b"".join([*parts, head.encode(), file, f"\r\n--{BOUNDARY}--\r\n".encode()])


def lesion_body(content: bytes, point_xyz_mm: tuple[float, float, float]) -> bytes:
    fields = {"seriesInstanceUID": "1.2.3", "lesionID": "1"}
    fields |= {f"coord{axis}": repr(value) for axis, value in zip("XYZ", point_xyz_mm, strict=True)}
    return multipart(fields, content)


def lesion_body_of(path: Path, point_xyz_mm: tuple[float, float, float]) -> bytes:
    return lesion_body(path.read_bytes(), point_xyz_mm)


def post(connection: http.client.HTTPConnection, server: Server, body: bytes) -> dict:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **server.headers}
    connection.request("POST", server.path, body=body, headers=headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(f"{server.name}: {response.status} {content[:500]!r}")
    return json.loads(content)


def requests_per_second(server: Server, body: bytes, *, concurrency: int, count: int) -> float:
    """Send `count` requests over `concurrency` connections and return how many were answered a second."""
    left = threading.Semaphore(count)
    failures: list[Exception] = []

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        try:
            while left.acquire(blocking=False):
                post(connection, server, body)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(concurrency)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return count / (time.perf_counter() - began)
