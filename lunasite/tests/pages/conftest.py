"""Opens the pages of the site as one role after the other sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from lunasite.http.page_cache.views import PAGES
from lunasite.tests.test_routes import MATRIX, Row, address, world  # noqa: F401
from submissions.presenters import waiting

OPEN = (200, 286, 503)  # shown; shown, and the polling ends; shown, and the site is not ready


def pages_of(role: str) -> dict[str, Row]:
    return {name: row for name, row in MATRIX.items() if row.method == "get" and getattr(row, role) in OPEN}


@pytest.fixture
def each_page(world) -> Callable[..., Iterator[tuple[str, Client, Callable[[], Any]]]]:  # noqa: F811
    """Return a function that yields the pages open to a role: the name, the role's client, and what opens the page.

    Nothing kept for visitors is left when a page opens. accept: the header, else what the page's row names.
    """

    def pages(role: str, accept: str = "") -> Iterator[tuple[str, Client, Callable[[], Any]]]:
        client = Client()
        if user := world["users"][role]:
            client.force_login(user)
        for name, row in pages_of(role).items():
            PAGES.clear()
            waiting.forget()
            wanted = accept or row.accept
            headers = {"Accept": wanted} if wanted else {}
            where = address(name, world) + row.query
            yield name, client, lambda where=where, headers=headers: client.get(where, headers=headers)

    return pages
