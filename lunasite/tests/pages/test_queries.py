"""How often each page asks the database, whoever opens it: as often with thousands of teams as with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from lunasite.monitoring import status_page
from lunasite.tests.pages.big_site import fill
from submissions.models import Submission
from submissions.outages import pauses

# More than Django reads of an iterated query at once (2,000): a page that asked once for each such part would show.
TEAMS = 2_500
MAX_QUERIES = 12
# The others see what one of these sees, with no more to ask: no team, or no permission.
WALKERS = ("anonymous", "own", "organiser", "reviewer", "operator", "superuser")


def statements_of(role: str, each_page: Callable[..., Any], asked: Callable[..., list[str]]) -> dict[str, list[str]]:
    """Return the statements behind each page that opens for a role, by the page's name."""
    found = {}
    for name, _, opened in each_page(role):
        with CaptureQueriesContext(connection) as queries:
            response = opened()
            assert b"".join(response) if response.streaming else response.content
        found[name] = asked(queries)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)  # four hundred pages on two busy cores
def test_no_page_asks_more_than_twelve_times(world, each_page, monkeypatch, asked):
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
        for name, statements in statements_of(role, each_page, asked).items()
        if len(statements) > MAX_QUERIES
    }
    assert over == {}
