"""Registries that lie, redirect and drip; hosts that nobody allowed. Nothing is asked of them that is not allowed."""

import json
import socket
import threading
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from submissions.faults import ParticipantError
from submissions.registry import client as client_module
from submissions.registry.client import Credentials, RegistryClient
from submissions.registry.connection import Hosts, is_acceptable
from submissions.registry.errors import RegistryUnavailable
from submissions.registry.pull import oci_archive, remote_image
from submissions.registry.reference import ImageReference, parse_reference
from submissions.tests.image_archives import as_bytes, config, digest, layer, scan

LAYER = layer()
CONFIG = as_bytes(config([LAYER]))


def manifest(**changes) -> bytes:
    return as_bytes(
        {
            "schemaVersion": 2,
            "config": {"digest": digest(CONFIG), "size": len(CONFIG)},
            "layers": [{"digest": digest(LAYER), "size": len(LAYER)}],
        }
        | changes
    )


class Registry:
    """Answers by path; `answers` maps a path to (status, headers, body). `seen` are the requests it got."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.seen: list[tuple[str, str | None]] = []
        self.needs_token = ""
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.seen.append((self.path, self.headers["Authorization"]))
                status, headers, body = registry.answer(self.path, self.headers["Authorization"])
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, path: str, authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        plain = path.partition("?")[0]
        if self.needs_token and plain.startswith("/v2/") and authorization != f"Bearer {self.needs_token}":
            realm = f'Bearer realm="http://{self.host}/token",service="registry"'
            return 401, {"WWW-Authenticate": realm}, b""
        return self.answers.get(plain, (404, {}, b""))

    def holds(self, text: bytes, layer_bytes: bytes = LAYER) -> ImageReference:
        """Serve an image and return its reference."""
        self.answers |= {
            f"/v2/m/manifests/{digest(text)}": (200, {}, text),
            f"/v2/m/blobs/{digest(CONFIG)}": (200, {}, CONFIG),
            f"/v2/m/blobs/{digest(LAYER)}": (200, {}, layer_bytes),
        }
        return ImageReference(self.host, "m", digest(text))


@contextmanager
def running():
    registry = Registry()
    try:
        yield registry
    finally:
        registry.server.shutdown()
        registry.server.server_close()


@pytest.fixture
def registry():
    with running() as one:
        yield one


@pytest.fixture
def other():
    with running() as one:
        yield one


def pull(reference: ImageReference, *more_hosts: str, credentials: Credentials | None = None) -> bytes:
    client = RegistryClient(reference, [reference.host, *more_hosts], credentials)
    return b"".join(oci_archive(client, remote_image(client, reference, 10_000_000)))


def test_an_honest_one_is_pulled(registry):
    assert scan(pull(registry.holds(manifest()))).diff_ids == (digest(LAYER),)


@pytest.mark.parametrize(
    ("text", "layer_bytes", "error"),
    [
        (manifest(), LAYER + b"x", "REGISTRY_BAD_ANSWER"),
        (manifest(), LAYER[:-1] + b"x", "REGISTRY_BAD_ANSWER"),
        (manifest(layers=[{"digest": digest(LAYER), "size": 10**12}]), LAYER, "IMAGE_TOO_LARGE"),
        (manifest(layers=[{"digest": digest(LAYER), "size": len(LAYER) + 1}]), LAYER, "REGISTRY_BAD_ANSWER"),
        (manifest(layers=[{"digest": digest(LAYER), "size": -1}]), LAYER, "IMAGE_BAD_MANIFEST"),
        (manifest(layers=[{"digest": "sha512:00", "size": 1}]), LAYER, "IMAGE_BAD_MANIFEST"),
        (manifest(layers=[{"digest": "sha256:../../x", "size": 1}]), LAYER, "IMAGE_BAD_MANIFEST"),
        (manifest(layers=[{"digest": digest(LAYER), "size": len(LAYER)}] * 128), LAYER, "IMAGE_TOO_MANY_LAYERS"),
        (as_bytes({"manifests": []}), LAYER, "IMAGE_ARCHITECTURE"),
        (b"[]", LAYER, "IMAGE_BAD_MANIFEST"),
        (b"{" * 100_000, LAYER, "IMAGE_BAD_MANIFEST"),
        (b"{}" + bytes(5 << 20), LAYER, "REGISTRY_BAD_ANSWER"),
    ],
)
def test_a_lie_is_noticed(registry, text, layer_bytes, error):
    with pytest.raises(ParticipantError) as caught:
        pull(registry.holds(text, layer_bytes))
    assert caught.value.code == error


ARM = {"platform": {"os": "linux", "architecture": "arm64"}}
SIGNATURE = {"artifactType": "application/vnd.example.signature"}


@pytest.mark.parametrize(
    ("others", "is_taken"), [([], True), ([ARM], True), ([SIGNATURE], True), ([{}], False), ([ARM, {}], False)]
)
def test_of_an_index_without_platforms_the_only_image_is_taken(registry, others, is_taken):
    """A descriptor's platform is optional; the scan reads that of the config."""
    text, other = manifest(), manifest(other=1)
    registry.holds(text)
    listed = [{"digest": digest(text), "size": len(text)}]
    listed += [{"digest": digest(other), "size": len(other)} | more for more in others]
    reference = registry.holds(as_bytes({"schemaVersion": 2, "manifests": listed}))
    if is_taken:
        assert scan(pull(reference)).diff_ids == (digest(LAYER),)
        return
    with pytest.raises(ParticipantError, match="IMAGE_ARCHITECTURE"):
        pull(reference)


def test_a_short_blob_is_worth_another_attempt(registry):
    with pytest.raises(RegistryUnavailable):
        pull(registry.holds(manifest(), LAYER[:-1]))


def test_a_manifest_of_another_digest_is_refused(registry):
    reference = registry.holds(manifest())
    registry.answers[f"/v2/m/manifests/{reference.digest}"] = (200, {}, manifest(extra=1))
    with pytest.raises(ParticipantError, match="REGISTRY_BAD_ANSWER"):
        pull(reference)


@pytest.mark.parametrize(
    "target",
    ["http://{other}/blob", "https://169.254.169.254/latest", "http://x@{registry}@{other}/", "file:///etc/passwd"],
)
def test_a_redirect_to_a_host_that_is_not_allowed_is_not_followed(registry, other, target):
    reference = registry.holds(manifest())
    place = target.format(other=other.host, registry=registry.host)
    registry.answers[f"/v2/m/blobs/{digest(LAYER)}"] = (307, {"Location": place}, b"")

    with pytest.raises(ParticipantError, match="REGISTRY_NOT_ALLOWED"):
        pull(reference)
    assert other.seen == []


def test_a_redirect_to_an_allowed_host_goes_without_the_password(registry, other):
    reference = registry.holds(manifest())
    registry.needs_token = "secret-token"
    registry.answers["/token"] = (200, {}, json.dumps({"token": "secret-token"}).encode())
    registry.answers[f"/v2/m/blobs/{digest(LAYER)}"] = (307, {"Location": f"http://{other.host}/cdn"}, b"")
    other.answers["/cdn"] = (200, {}, LAYER)

    assert scan(pull(reference, other.host, credentials=Credentials("u", "p")))
    assert other.seen == [("/cdn", None)]
    requested = [(path, head) for path, head in registry.seen if path.startswith("/token")]
    assert requested == [("/token?scope=repository%3Am%3Apull&service=registry", "Basic dTpw")]


def test_endless_redirects_end(registry):
    reference = registry.holds(manifest())
    path = f"/v2/m/manifests/{reference.digest}"
    registry.answers[path] = (302, {"Location": path}, b"")
    with pytest.raises(ParticipantError) as caught:
        pull(reference)
    assert "too many redirects" in caught.value.staff_detail
    assert len(registry.seen) < 10


@pytest.mark.parametrize(
    "answer", [b"[]", b"{}", b'{"token": "a b"}', b'{"token": 1}', b"x" * 100_000, b'{"token": "a\\r\\nb"}']
)
def test_a_token_server_that_talks_nonsense_is_not_believed(registry, answer):
    reference = registry.holds(manifest())
    registry.needs_token = "secret-token"
    registry.answers["/token"] = (200, {}, answer)
    with pytest.raises(ParticipantError, match="REGISTRY_BAD_ANSWER"):
        pull(reference)


def test_a_token_is_not_fetched_from_a_host_that_is_not_allowed(registry, other):
    reference = registry.holds(manifest())
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{other.host}/token"'}
    registry.answers[f"/v2/m/manifests/{reference.digest}"] = (401, challenge, b"")
    with pytest.raises(ParticipantError, match="REGISTRY_NOT_ALLOWED"):
        pull(reference, credentials=Credentials("u", "p"))
    assert other.seen == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_of_the_registry_is_not_the_participants(registry, status):
    reference = registry.holds(manifest())
    registry.answers[f"/v2/m/manifests/{reference.digest}"] = (status, {}, b"<h1>secret</h1>")
    with pytest.raises(RegistryUnavailable):
        pull(reference)


@pytest.mark.parametrize("path", ["manifest", "token"])
def test_an_answer_that_is_cut_off_is_worth_another_attempt(registry, path):
    """The rest of what Content-Length announces never comes."""
    reference = registry.holds(manifest())
    token = json.dumps({"token": "secret-token"}).encode()
    registry.needs_token = "secret-token" if path == "token" else ""
    cut = {"manifest": (f"/v2/m/manifests/{reference.digest}", manifest()), "token": ("/token", token)}
    place, whole = cut[path]
    registry.answers[place] = (200, {"Content-Length": str(len(whole))}, whole[:-1])
    with pytest.raises(RegistryUnavailable, match="1 bytes early"):
        pull(reference)


@pytest.mark.parametrize("take", ["manifest", "blob"])
def test_what_drips_ends_at_its_deadline(registry, monkeypatch, take):
    reference = registry.holds(manifest())
    client = RegistryClient(reference, [reference.host])
    monkeypatch.setattr(client_module, "_SLACK_S", -1.0)
    with pytest.raises(ParticipantError) as caught:
        client.manifest(reference.digest) if take == "manifest" else list(client.blob(digest(LAYER), len(LAYER)))
    assert "drips" in caught.value.staff_detail


@pytest.mark.parametrize("take", ["manifest", "blob"])
def test_a_worker_that_lost_its_attempt_stops_in_the_middle_of_an_answer(registry, take):
    reference = registry.holds(manifest())
    looks = []

    def check():
        looks.append(1)
        if len(looks) > 1:  # the first is before the request
            raise TimeoutError

    client = RegistryClient(reference, [reference.host], check=check)
    with pytest.raises(TimeoutError):
        client.manifest(reference.digest) if take == "manifest" else list(client.blob(digest(LAYER), len(LAYER)))


# ---- hosts


@pytest.mark.parametrize(
    "text",
    [
        "", "model", "model:latest", "reg.example.org/model:1", "reg.example.org/model",
        "reg.example.org/model@sha256:12", "reg.example.org/Model@sha256:" + "0" * 64,
        "reg.example.org/../x@sha256:" + "0" * 64, "https://reg.example.org/m@sha256:" + "0" * 64,
        "evil.example.org/m@sha256:" + "0" * 64, "reg.example.org:80/m@sha256:" + "0" * 64,
        "reg.example.org@evil/m@sha256:" + "0" * 64, "169.254.169.254/m@sha256:" + "0" * 64,
        "localhost/m@sha256:" + "0" * 64, "reg.example.org/m@sha256:" + "A" * 64,
        "reg.example.org/m\n@sha256:" + "0" * 64, "reg.example.org/" + "m" * 400 + "@sha256:" + "0" * 64,
    ],
)  # fmt: skip
def test_a_name_that_is_not_exactly_allowed_is_refused_before_any_look_up(text, monkeypatch):
    def resolve(*args, **kwargs):
        raise AssertionError("looked up")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ParticipantError, match="IMAGE_REFERENCE"):
        parse_reference(text, ["reg.example.org"])


def test_a_tag_beside_the_digest_is_dropped():
    named = parse_reference("reg.example.org:5000/a/b:1.0@sha256:" + "0" * 64, ["reg.example.org:5000"])
    assert str(named) == "reg.example.org:5000/a/b@sha256:" + "0" * 64


def test_what_the_named_command_prints_is_taken():
    """It has quotes, without which PowerShell takes the braces for its own; Docker prints a list."""
    with pytest.raises(ParticipantError) as caught:
        parse_reference("reg.example.org/m:1", ["reg.example.org"])
    assert '`docker inspect --format "{{.RepoDigests}}" IMAGE`' in caught.value.note
    printed = "[reg.example.org/m@sha256:" + "0" * 64 + "]\n"
    assert str(parse_reference(printed, ["reg.example.org"])) == printed.strip("[]\n")


@pytest.mark.parametrize(
    ("address", "ok"),
    [
        ("93.184.216.34", True), ("10.0.0.5", True), ("2606:2800:220:1::1", True),
        ("127.0.0.1", False), ("::1", False), ("169.254.169.254", False), ("fe80::1%eth0", False), ("0.0.0.0", False),
        ("224.0.0.1", False), ("::ffff:169.254.169.254", False), ("::ffff:127.0.0.1", False), ("240.0.0.1", False),
    ],
)  # fmt: skip
def test_addresses_that_no_registry_has_are_refused(address, ok):
    assert is_acceptable(address, may_be_loopback=False) is ok


def test_a_name_is_resolved_once_and_its_checked_address_is_connected_to(registry, monkeypatch):
    port = int(registry.host.rpartition(":")[2])
    requested, really = [], socket.getaddrinfo

    def resolve(name, *args, **kwargs):
        if name != "localhost":
            return really(name, *args, **kwargs)
        requested.append(name)
        address = "127.0.0.1" if len(requested) == 1 else "203.0.113.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    registry.answers["/x"] = (200, {}, b"")
    hosts = Hosts([f"localhost:{port}"])
    monkeypatch.setattr("submissions.registry.connection.socket.getaddrinfo", resolve)
    for _ in range(2):
        hosts.request(f"http://localhost:{port}/x", {}).close()
    assert requested == ["localhost"]


def test_a_name_that_resolves_to_the_cloud_is_not_connected_to(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
    with pytest.raises(RegistryUnavailable, match="not the address"):
        Hosts(["reg.example.org"]).request("https://reg.example.org/v2/", {})


def test_the_digest_of_the_bytes_decides():
    assert digest(LAYER) == "sha256:" + sha256(LAYER).hexdigest()
