"""How often each page asks the database, whoever opens it: as often with ten thousand teams as with one."""

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

MAX_QUERIES = 12
# The two who see most, a member with much of everything and the site's owner, on a large site; the others on a small
# one. Who is named nowhere sees what one of these sees, with no more to ask: no team, or no permission.
SITES = [(10_000, ["own", "superuser"]), (60, ["anonymous", "organiser", "reviewer", "operator"])]


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
@pytest.mark.timeout(900)  # two hundred pages, some of ten thousand rows, on two busy cores
@pytest.mark.parametrize(("teams", "walkers"), SITES, ids=["who see most", "the others"])
def test_no_page_asks_more_than_twelve_times(world, each_page, monkeypatch, asked, teams, walkers):
    """Sessions, users and permissions count, but not what a process asks once in some seconds for all its readers:
    the maintenance, and the round of checks of the status.
    """
    fill(Submission.objects.get(pk=world["pk"]), teams)
    monkeypatch.setattr(pauses, "KEEP_S", 3600)
    pauses.recent_maintenance()
    monkeypatch.setattr(status_page, "KEEP_S", 3600)
    status_page.recent.get()
    over = {
        f"{name} as {role}": [len(statements), *statements]
        for role in walkers
        for name, statements in statements_of(role, each_page, asked).items()
        if len(statements) > MAX_QUERIES
    }
    assert over == {}
