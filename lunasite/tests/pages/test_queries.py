"""How often each page asks the database, whoever opens it: as often with ten thousand teams as with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lunasite.http.page_cache.views import PAGES
from lunasite.monitoring import status_page
from lunasite.tests.pages.big_site import fill
from lunasite.tests.test_routes import MATRIX, Row, address, world  # noqa: F401
from submissions.models import Submission
from submissions.outages import pauses
from submissions.presenters import waiting

TEAMS = 10_000
MOST = 12
# The others see what one of these sees, with no more to ask: no team, or no permission.
WALKERS = ("anonymous", "own", "organiser", "reviewer", "operator", "superuser")
OPEN = (200, 286, 503)  # shown; shown, and the polling ends; shown, and the site is not ready


def pages_of(role: str) -> dict[str, Row]:
    return {name: row for name, row in MATRIX.items() if row.method == "get" and getattr(row, role) in OPEN}


def opened(role: str, world: dict[str, Any], asked: Callable[..., list[str]]) -> dict[str, list[str]]:  # noqa: F811
    """Return the statements behind each page that opens for a role, by the page's name."""
    client = Client()
    if user := world["users"][role]:
        client.force_login(user)
    found = {}
    for name, row in pages_of(role).items():
        PAGES.clear()
        waiting.forget()
        with CaptureQueriesContext(connection) as queries:
            accept = {"Accept": row.accept} if row.accept else {}
            response = client.get(address(name, world) + row.query, headers=accept)
            assert b"".join(response) if response.streaming else response.content
        found[name] = asked(queries)
    return found


@pytest.mark.slow
def test_no_page_asks_more_than_twelve_times(world, monkeypatch, asked):  # noqa: F811
    """Sessions, users and permissions count, but not what a process asks once in some seconds for all its readers:
    the maintenance, and the round of checks of the status.
    """
    fill(Submission.objects.get(pk=world["pk"]), TEAMS)
    monkeypatch.setattr(pauses, "KEEP_S", 3600)
    pauses.recent_maintenance()
    monkeypatch.setattr(status_page, "KEEP_S", 3600)
    status_page.recent.get()
    over = {
        f"{name} as {role}": [len(statements), *statements]
        for role in WALKERS
        for name, statements in opened(role, world, asked).items()
        if len(statements) > MOST
    }
    assert over == {}
