"""Reminders of closing phases: to whom, when, and each exactly once."""

from datetime import UTC, datetime, timedelta

import pytest

from submissions.models import Message, Participation
from submissions.models.team import team_of
from submissions.notices.closing import remind_of_closing
from submissions.teams.membership import join_team, leave_team
from submissions.tests.factories import make_member, make_phase, make_submission, make_user

pytestmark = pytest.mark.django_db
END = datetime(2030, 5, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def phase(db):
    return make_phase(slug="final", title="Final", opens_at=END - 60 * DAY, closes_at=END)


@pytest.fixture
def ann(phase):
    user = make_member("ann")
    make_submission(user=user, phase=phase, received_at=END - 30 * DAY)
    return user


def reminded(user):
    return list(Message.objects.filter(user=user).order_by("pk").values_list("kind", flat=True))


def test_each_reminder_goes_once_however_often_it_is_looked_for(ann):
    hours = [100, 72.5, 71, 50, 25, 24.5, 23, 10, 0.1, -1]
    counts = [remind_of_closing(END - timedelta(hours=left)) for left in hours]
    assert counts == [0, 0, 1, 0, 0, 0, 1, 0, 0, 0]
    assert reminded(ann) == ["closing_3", "closing_1"]


def test_word_by_word(ann):
    remind_of_closing(END - timedelta(hours=20))
    message = Message.objects.get()
    assert (message.subject, message.path) == ("Final closes on 2030-05-10 12:00 UTC", "/phases/final/")
    assert message.text == (
        "Final closes within one day, on 2030-05-10 12:00 UTC. Submissions that arrive later are not taken; one that "
        "waits for its evaluation at that moment is still scored."
    )


def test_a_worker_that_was_away_sends_only_the_reminder_that_is_still_true(ann):
    remind_of_closing(END - timedelta(hours=5))
    assert reminded(ann) == ["closing_1"]


def test_a_phase_that_is_extended_is_reminded_of_again(ann, phase):
    remind_of_closing(END - DAY / 2)
    phase.closes_at = END + 10 * DAY
    phase.save()
    assert remind_of_closing(END) == 0
    assert remind_of_closing(END + 9.5 * DAY) == 1


@pytest.mark.slow
def test_who_takes_part_is_told_and_nobody_else(ann, phase):
    ben, eve, late, gone = (make_member(name) for name in ("ben", "eve", "late", "gone"))
    leave_team(user=ben)
    join_team(user=ben, code=team_of(ann).code)
    make_submission(user=gone, phase=phase, received_at=END - 30 * DAY)
    gone.is_active = False
    gone.save()
    agreed, asked = make_user("agreed"), make_user("asked")
    rows = {"challenge": phase.challenge}
    Participation.objects.create(user=agreed, rules_digest="d", rules_accepted_at=END - 20 * DAY, **rows)
    Participation.objects.create(user=asked, status="requested", requested_at=END - 20 * DAY, **rows)
    make_submission(user=late, phase=phase, received_at=END - DAY / 2)
    make_submission(user=eve, phase=make_phase(), received_at=END - 30 * DAY)
    Message.objects.all().delete()
    assert remind_of_closing(END - DAY / 3) == 3
    assert sorted(Message.objects.values_list("user__username", flat=True)) == ["agreed", "ann", "ben"]


@pytest.mark.parametrize("hidden", ["phase", "challenge"])
def test_nobody_is_told_of_a_hidden_phase(ann, phase, hidden):
    row = phase if hidden == "phase" else phase.challenge
    row.is_hidden = True
    row.save()
    assert remind_of_closing(END - DAY / 2) == 0


def test_a_run_tells_a_bounded_number_and_the_next_goes_on(ann, phase, monkeypatch):
    monkeypatch.setattr("submissions.notices.closing.MAX_AT_ONCE", 1)
    ben = make_member("ben")
    make_submission(user=ben, phase=phase, received_at=END - 30 * DAY)
    assert [remind_of_closing(END - DAY / 2) for _ in range(3)] == [1, 1, 0]


def test_the_worker_looks_for_them():
    from submissions.worker.periodic_jobs import JOBS, remind_if_due

    assert remind_if_due in JOBS
