"""What the lists of the admin offer to filter by."""

import re
from datetime import UTC, datetime

import pytest
from django.urls import reverse
from django.utils.formats import date_format

from submissions import actions
from submissions.admin.lists.display import breakable
from submissions.tests.factories import make_phase, make_submission, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return client


def offered(client, model, query=""):
    """Return the parameters that the filters of a list set, and its page."""
    page = client.get(reverse(f"admin:submissions_{model}_changelist") + query).content.decode()
    return set(re.findall(r'href="\?(\w+)=', page)), page


@pytest.mark.slow
def test_only_states_that_occur_are_offered(staff):
    phase = make_phase()
    done = make_submission(phase=phase)
    actions.evaluate(evaluation_id=done.latest.pk, worker="w")
    make_submission(phase=phase)
    names, page = offered(staff, "evaluation")
    assert "status__exact=completed" in page
    assert "status__exact=pending" in page
    assert "status__exact=cancelled" not in page
    assert "submission__submission_type__exact" not in names  # all are CSVs


def test_yes_and_no_are_offered_where_there_are_both(staff):
    make_phase()
    assert "is_hidden__exact" not in offered(staff, "phase")[0]
    make_phase(is_hidden=True)
    assert "is_hidden__exact" in offered(staff, "phase")[0]


def test_what_is_chosen_stays_although_nothing_has_it(staff):
    make_submission()
    _, page = offered(staff, "evaluation", "?status__exact=cancelled")
    assert "status__exact=cancelled" in page
    assert "status__exact=failed" not in page


def test_lists_write_dates_short_and_codes_so_that_they_wrap():
    """Long dates and codes make a list wider than 1280 px; `lunasite/tests/browser/test_walk.py` measures the lists."""
    assert date_format(datetime(2026, 11, 9, 7, 5, tzinfo=UTC), "DATETIME_FORMAT") == "2026-11-09 07:05"
    assert breakable("IMAGE_NO_<B>") == "IMAGE_<wbr>NO_<wbr>&lt;B&gt;"
