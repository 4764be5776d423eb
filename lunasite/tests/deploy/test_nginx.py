"""nginx with its file of deploy/, started before two addresses of which the site has one after the other."""

import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .compose_file import ROOT

pytestmark = [pytest.mark.deploy, pytest.mark.slow]
TEMPLATE = ROOT / "deploy" / "nginx" / "lunasite.conf.template"
OLD, NEW = "127.0.0.1", "127.0.0.2"


class Names(threading.Thread):
    """A name server that gives one address to every name."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    def run(self) -> None:
        while True:
            asked, sender = self.socket.recvfrom(512)
            head = asked[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
            question = asked[12 : asked.index(b"\0", 12) + 5]
            answer = struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(self.address)
            self.socket.sendto(head + question + answer, sender)


class Echo(BaseHTTPRequestHandler):
    """Answers the address that it listens on, and the target that it was asked for."""

    def do_GET(self) -> None:
        body = f"{self.server.server_address[0]} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


def serve(address: str, port: int = 0) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer((address, port), Echo)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@pytest.fixture
def names() -> Names:
    found = Names(OLD)
    found.start()
    return found


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    server = serve(OLD)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxy(tmp_path: Path, names: Names, site: ThreadingHTTPServer) -> Iterator[int]:
    """The port of nginx with the template as it stands, but for ports, folders and the name server's address."""
    plain, port = free_ports()
    key = ["-keyout", str(tmp_path / "privkey.pem"), "-out", str(tmp_path / "fullchain.pem")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=site.example", *key],
                   check=True, capture_output=True)  # fmt: skip
    text = TEMPLATE.read_text().replace("127.0.0.11 ", f"127.0.0.1:{names.socket.getsockname()[1]} ")
    for old, new in {
        "valid=10s": "valid=1s", "${SITE_HOST}": "site.example", "${S3_HOST}": "s3.example",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl", "/etc/nginx/tls": str(tmp_path),
        "/var/cache/nginx": str(tmp_path), "web:8000": f"web:{site.server_port}",
        "seaweedfs:8333": f"seaweedfs:{site.server_port}",
    }.items():  # fmt: skip
        text = text.replace(old, new)
    conf = f"pid {tmp_path}/pid; error_log stderr; daemon off; events {{}} http {{ access_log off; {text} }}"
    (tmp_path / "nginx.conf").write_text(conf)
    command = ["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    process = subprocess.Popen(command, stderr=(tmp_path / "log").open("wb"))
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def ask(port: int, host: str, target: str) -> tuple[int, str]:
    deadline = time.monotonic() + 10
    while True:
        client = HTTPSConnection("127.0.0.1", port, timeout=10, context=ssl._create_unverified_context())
        try:
            client.request("GET", target, headers={"Host": host})
            answer = client.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:  # nginx is about to begin
            assert time.monotonic() < deadline
            time.sleep(0.05)
        finally:
            client.close()


def test_a_target_is_passed_on_as_it_was_sent(proxy):
    """A presigned address is signed over its very spelling."""
    for host in ("site.example", "s3.example"):
        assert ask(proxy, host, "/a%2Fb%20c/?x=%2B&y=1") == (200, f"{OLD} /a%2Fb%20c/?x=%2B&y=1")
    assert ask(proxy, "site.example", "/metrics")[0] == 404


def test_a_site_that_was_replaced_is_found_at_its_new_address(proxy, names, site):
    """`docker compose up -d` after an upgrade gives `web` another address, and leaves the proxy as it is."""
    assert ask(proxy, "site.example", "/")[0] == 200
    other = serve(NEW, site.server_port)
    names.address = NEW
    site.shutdown()
    site.server_close()
    deadline = time.monotonic() + 10  # what was looked up is valid for a second, by nginx's clock of whole seconds
    for host in ("site.example", "s3.example"):
        while (told := ask(proxy, host, "/")) != (200, f"{NEW} /"):
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
    other.shutdown()
    other.server_close()
