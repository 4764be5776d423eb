"""What is frozen stays so through a form that was loaded before, and nothing of it passes to a copy."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.models import Phase, Submission
from submissions.phases.opening import freeze_board, save_phase
from submissions.tests.factories import make_member, make_phase, make_staff, make_submission
from submissions.tests.organise.test_challenges import phase_form

pytestmark = pytest.mark.django_db
PAGE = "/organise/phases/one/"


def test_a_copy_of_a_frozen_phase_is_not_frozen(browser, phase):
    browser.post(f"{PAGE}end/")
    browser.post(f"{PAGE}end/", {"freeze": "1"})
    browser.post("/organise/challenges/lungs/phases/new/?copy=one", phase_form(phase.dataset, slug="two"))
    assert Phase.objects.get(slug="one").frozen_at is not None
    assert Phase.objects.get(slug="two").frozen_at is None


def test_a_board_that_is_frozen_meanwhile_stays_frozen(browser, phase):
    stale = Phase.objects.get(pk=phase.pk)
    browser.post(f"{PAGE}end/")
    browser.post(f"{PAGE}end/", {"freeze": "1"})
    with pytest.raises(ValidationError, match="is frozen"):
        save_phase(phase=stale, windows=[])
    phase.refresh_from_db()
    assert phase.frozen_at is not None


def test_what_is_still_on_its_way_at_the_end_does_not_reach_a_frozen_board():
    """A large image may take hours: it counts by the time at which its request began, but nothing changes any more."""
    now = timezone.now()
    phase = make_phase(closes_at=now - timedelta(minutes=10))
    make_submission(phase=phase, received_at=now - timedelta(minutes=11)).evaluations.update(status="completed")
    freeze_board(phase=phase, user=make_staff("organiser", phase), now=now)
    with pytest.raises(ApiError) as refused:
        make_submission(user=make_member(), phase=phase, received_at=now - timedelta(minutes=11))
    assert (refused.value.status_code, refused.value.error_code) == (409, "BOARD_FROZEN")
    assert Submission.objects.count() == 1


@pytest.mark.parametrize(
    "verb",
    [
        lambda sent: actions.retry(evaluation=sent.latest),
        lambda sent: actions.re_evaluate(submission=sent),
        lambda sent: actions.set_hidden(submission=sent, is_hidden=True),
        lambda sent: actions.mark_baseline(submission=sent, is_baseline=True),
    ],
)
def test_a_board_that_is_frozen_at_the_same_moment_is_judged_under_the_lock(monkeypatch, verb):
    """Whoever decides about an entry waits for the phase's row, and then reads whether its board was frozen."""
    sent = make_submission(phase=make_phase())
    sent.evaluations.update(status="failed", failure_code="CSV_VALUE")
    by_django, locked = QuerySet.select_for_update, []

    def select_for_update(self, *args, **options):
        locked.append(self.model)
        if locked == [Phase]:  # what was waited for
            Phase.objects.filter(pk=sent.phase_id).update(frozen_at=timezone.now())
        return by_django(self, *args, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", select_for_update)
    with pytest.raises(ApiError, match="is frozen"):
        verb(sent)
    assert locked == [Phase]  # and not a team before it: whoever changes the phase holds it before its teams
    sent.refresh_from_db()
    assert (sent.latest.status, sent.is_hidden, sent.is_baseline) == ("failed", False, False)
