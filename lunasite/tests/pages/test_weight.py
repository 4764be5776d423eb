"""How much a browser loads on its first visit of a page: HTML, styles, scripts, pictures, as the server sends them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from lunasite.tests.pages.big_site import fill
from submissions.models import Submission

MAX_BYTES = 120_000
TEAMS = 60  # more than a page of the board lists
LOADED = re.compile(r'<(?:script|img)\b[^>]*?\ssrc="([^"]+)"|<link\b[^>]*?\shref="([^"]+)"')
LINKED = re.compile(r'<link\b(?=[^>]*\brel="(?:canonical|alternate|next|prev)")[^>]*>')
# Swagger UI is a program of 450 kB; the page is for those who try the API out in the browser.
HEAVY = {"api_docs"}


@cache
def static_bytes(path: str) -> int:
    """Return what whitenoise sends of a static file: compressed, where that makes it smaller."""
    content = Path(finders.find(path)).read_bytes()
    return min(len(content), len(gzip.compress(content, 9)))


def weight(client: Client, html: bytes) -> dict[str, int]:
    """Return the bytes of a page by address; the page itself, which is not compressed, as ""."""
    found = {"": len(html)}
    text = LINKED.sub("", html.decode())
    for address_ in {script or link for script, link in LOADED.findall(text)}:
        if address_.startswith("/static/"):
            found[address_] = static_bytes(address_.removeprefix("/static/"))
        elif address_.startswith("/"):
            response = client.get(address_.replace("&amp;", "&"))
            found[address_] = len(b"".join(response) if response.streaming else response.content)
    return found


def is_viewer(weights: dict[str, int]) -> bool:
    return any("/vendor/niivue/" in name for name in weights)


def weights_of(role: str, each_page: Callable[..., Any]) -> dict[str, dict[str, int]]:
    found = {}
    for name, client, opened in each_page(role, accept="text/html"):
        response = opened()
        if response["Content-Type"].startswith("text/html") and name not in HEAVY and not name.startswith("api_"):
            found[name] = weight(client, response.content)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("role", ["anonymous", "own", "superuser"])
def test_a_first_visit_loads_at_most_120_kilobytes(role, world, each_page):
    fill(Submission.objects.get(pk=world["pk"]), TEAMS)
    found = weights_of(role, each_page)
    assert len(found) > 12
    heavy = {
        name: weights for name, weights in found.items() if sum(weights.values()) > MAX_BYTES and not is_viewer(weights)
    }
    assert heavy == {}
