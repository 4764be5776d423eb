"""Fetch manifests and blobs from a registry: token sign-in, redirects to allowed hosts, and bounds on every answer."""

from __future__ import annotations

import http.client
import json
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from urllib.parse import urlencode, urljoin, urlsplit

from submissions.faults import ParticipantError
from submissions.registry.connection import Hosts, is_loopback
from submissions.registry.errors import RegistryUnavailable
from submissions.registry.reference import ImageReference

MAX_MANIFEST_BYTES = 4 << 20  # the size that the distribution-spec asks registries to accept
PIECE_BYTES = 1 << 20
_MAX_TOKEN_BYTES = 64 << 10
_MAX_REDIRECTS = 3
_MIN_BYTES_PER_S = 256 << 10
_SLACK_S = 120.0
_REDIRECTS = (301, 302, 303, 307, 308)
_CHALLENGE = re.compile(r'([a-z]+)="([^"]*)"')
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)


@dataclass(frozen=True)
class Credentials:
    """A user name and password, or access token, of a registry."""

    username: str
    password: str

    @property
    def basic(self) -> str:
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


class RegistryClient:
    """Reads one repository of one registry."""

    def __init__(
        self,
        reference: ImageReference,
        allowed_hosts: Collection[str],
        credentials: Credentials | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Remember the repository. check: called at each piece; may raise to stop."""
        scheme = "http" if is_loopback(reference.host) else "https"
        self._base = f"{scheme}://{reference.host}/v2/{reference.name}"
        self._reference = reference
        self._hosts = Hosts(allowed_hosts)
        self._credentials = credentials
        self._check = check
        self._authorization = ""

    def manifest(self, digest: str) -> bytes:
        """Return a manifest or index after checking its digest. Raises ParticipantError, RegistryUnavailable."""
        with closing(self._get(f"{self._base}/manifests/{digest}", accept=MANIFEST_TYPES)) as response:
            text = self._read(response, MAX_MANIFEST_BYTES)
        _expect_digest(digest, sha256(text).hexdigest())
        return text

    def blob(self, digest: str, size_bytes: int) -> Iterator[bytes]:
        """Yield a blob of exactly this size and digest. Raises as `manifest`, also if size or digest differ."""
        deadline = monotonic() + _SLACK_S + size_bytes / _MIN_BYTES_PER_S
        hashed, left = sha256(), size_bytes
        with closing(self._get(f"{self._base}/blobs/{digest}", accept="*/*")) as response:
            while piece := _piece(response):
                self._check()
                left -= len(piece)
                if left < 0 or monotonic() > deadline:
                    raise _bad_answer("a blob longer than its manifest says" if left < 0 else "a blob that drips")
                hashed.update(piece)
                yield piece
        found = hashed.hexdigest()
        if left and digest == f"sha256:{found}":  # all of it came: no other attempt would bring more
            raise _bad_answer("a blob shorter than its manifest says")
        if left:
            raise RegistryUnavailable(f"a blob ended {left} bytes early")
        _expect_digest(digest, found)

    def _get(self, url: str, accept: str) -> http.client.HTTPResponse:
        """Return a response with status 200, after sign-in and redirects if needed."""
        was_challenged = False
        for _ in range(_MAX_REDIRECTS + 2):
            self._check()
            headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "lunasite"}
            if self._authorization and urlsplit(url).netloc.lower() == self._reference.host:
                headers["Authorization"] = self._authorization
            response = self._hosts.request(url, headers)
            if response.status == 200:
                return response
            response.close()
            if response.status == 401 and not was_challenged:
                was_challenged = True
                self._authorization = self._answer_to(response.headers.get("WWW-Authenticate", ""))
            elif response.status in _REDIRECTS and (target := response.headers.get("Location")):
                url = urljoin(url, target)
            else:
                raise _status_error(response.status)
        raise _bad_answer("too many redirects")

    def _answer_to(self, challenge: str) -> str:
        """Return the Authorization header that a 401 response asks for. Raises ParticipantError (REGISTRY_DENIED)."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and self._credentials:
            return self._credentials.basic
        fields = dict(_CHALLENGE.findall(rest))
        if scheme.lower() == "bearer" and "realm" in fields:
            return f"Bearer {self._token(fields)}"
        raise _denied(f"challenge {scheme[:20]!a}, credentials: {bool(self._credentials)}")

    def _token(self, fields: dict[str, str]) -> str:
        query = {"scope": f"repository:{self._reference.name}:pull"}
        if "service" in fields:
            query["service"] = fields["service"]
        headers = {"Authorization": self._credentials.basic} if self._credentials else {}
        with closing(self._hosts.request(f"{fields['realm']}?{urlencode(query)}", headers)) as response:
            if response.status != 200:
                raise _status_error(response.status)
            text = self._read(response, _MAX_TOKEN_BYTES)
        try:
            message = json.loads(text)
            token = message.get("token") or message.get("access_token")
        except (ValueError, AttributeError, RecursionError) as error:
            raise _bad_answer("a token answer that is not JSON") from error
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise _bad_answer("a token answer without a token")
        return token

    def _read(self, response: http.client.HTTPResponse, most_bytes: int) -> bytes:
        text, deadline = b"", monotonic() + _SLACK_S
        while piece := _piece(response):
            self._check()
            text += piece
            if len(text) > most_bytes or monotonic() > deadline:
                raise _bad_answer(f"more than {most_bytes} bytes" if len(text) > most_bytes else "an answer that drips")
        if response.length:  # as Content-Length has it: the end of the stream came first
            raise RegistryUnavailable(f"an answer ended {response.length} bytes early")
        return text


def _piece(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(PIECE_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise RegistryUnavailable(f"the connection broke: {type(error).__name__}: {error}") from error


def _expect_digest(digest: str, found: str) -> None:
    if digest != f"sha256:{found}":
        raise _bad_answer("bytes that do not have the digest that names them")


def _bad_answer(detail: str) -> ParticipantError:
    return ParticipantError("REGISTRY_BAD_ANSWER", staff_detail=detail)


def _denied(detail: str) -> ParticipantError:
    return ParticipantError("REGISTRY_DENIED", staff_detail=detail)


def _status_error(status: int) -> Exception:
    if status in (401, 403):
        return _denied(f"status {status}")
    if status == 404:
        return ParticipantError("REGISTRY_NOT_FOUND")
    if status == 429 or status >= 500:
        return RegistryUnavailable(f"status {status}")
    return _bad_answer(f"status {status}")
