"""Serve the command-line client, `/client/lunasite.py` with this site's address filled in, and its programs."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import condition, require_safe

from lunasite.client.driver_archive import driver_archive
from lunasite.client.runner_zip import runner_zip

EMPTY_ADDRESS = 'SITE = ""'


def client_file() -> bytes:
    """Return the client with the address of this site as its default."""
    text = (Path(settings.BASE_DIR) / "client" / "lunasite.py").read_text(encoding="utf-8")
    assert text.count(EMPTY_ADDRESS) == 1, "client/lunasite.py has no place for the site's address"
    return text.replace(EMPTY_ADDRESS, f"SITE = {json.dumps(settings.SITE_URL)}").encode()


def _etag(data: bytes) -> str:
    return f'"{sha256(data).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=lambda request: _etag(client_file()))
def client(request: HttpRequest) -> HttpResponse:
    """Send the command-line client: one file that runs with Python alone."""
    return _attachment(HttpResponse(client_file()), "lunasite.py", "text/x-python; charset=utf-8")


@require_safe
@condition(etag_func=lambda request: f'"{runner_zip()[1][:32]}"')
def runner(request: HttpRequest) -> HttpResponse:
    """Send the runner that drives a container at home."""
    return _attachment(HttpResponse(runner_zip()[0]), "runner.zip", "application/zip")


@require_safe
@condition(etag_func=lambda request: f'"{driver_archive().sha256[:32]}"')
def driver(request: HttpRequest) -> Any:
    """Send the driver image, which makes the calls of a trial."""
    archive = driver_archive()
    return _attachment(FileResponse(archive.path.open("rb")), archive.file_name, "application/gzip")


def _attachment(response: Any, name: str, content_type: str) -> Any:
    response["Content-Type"] = content_type
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


urlpatterns = [
    path("client/lunasite.py", client, name="client"),
    path("client/runner.zip", runner, name="client_runner"),
    path("client/driver.tar.gz", driver, name="client_driver"),
]
