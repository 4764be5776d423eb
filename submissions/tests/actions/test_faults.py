"""Faults of our own parts: the database away or busy, the mail server down, clocks that jump."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from leaderboard.models import Standing
from submissions import actions, tasks
from submissions.actions import db_retry
from submissions.actions.evaluate import claim
from submissions.actions.staff import oversight
from submissions.models import AuditEvent, Evaluation
from submissions.presenters.progress import progress_of, run_seconds, steps_of
from submissions.presenters.score_table import step_states
from submissions.tests.factories import (
    evaluated,
    make_member,
    make_phase,
    make_staff,
    make_submission,
    make_user,
    make_worker,
)
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db


@pytest.fixture
def database_away(monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError("connection to server at 10.0.0.1 failed: password of luna")

    monkeypatch.setattr(connection, "cursor", refuse)


@pytest.mark.parametrize(
    ("path", "retry_after"), [("/", "5"), ("/api/v1/phases", "3"), ("/api/v1/leaderboard?phase=p", "3")]
)
def test_without_the_database_the_answer_is_503_and_tells_nothing_of_it(database_away, path, retry_after):
    answer = Client(raise_request_exception=False).get(path)
    assert (answer.status_code, answer["Retry-After"], b"10.0.0.1" in answer.content) == (503, retry_after, False)


def test_without_the_database_a_page_for_members_still_leads_to_the_login(database_away):
    answer = Client(raise_request_exception=False).get("/submissions/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/submissions/")


def test_a_busy_database_is_asked_three_times(monkeypatch):
    monkeypatch.setattr(db_retry.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(db_retry, "connection", SimpleNamespace(in_atomic_block=False))
    calls = []

    def work():
        calls.append(1)
        if len(calls) < 3:
            raise OperationalError("database is locked")
        return "done"

    assert db_retry.retry_on_deadlock(work) == "done"


def test_a_database_that_stays_busy_raises_at_last(monkeypatch):
    monkeypatch.setattr(db_retry.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(db_retry, "connection", SimpleNamespace(in_atomic_block=False))
    calls = []

    def work():
        calls.append(1)
        raise OperationalError("deadlock detected")

    with pytest.raises(OperationalError):
        db_retry.retry_on_deadlock(work)
    assert len(calls) == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_a_cancel_by_staff_that_a_deadlock_ends_is_done_again(monkeypatch):
    monkeypatch.setattr(db_retry.time, "sleep", lambda seconds: None)
    submission, calls = make_submission(), []

    def cancel(**named):
        calls.append(1)
        cancelled = actions.cancel(**named)
        if len(calls) == 1:
            raise OperationalError("deadlock detected")
        return cancelled

    monkeypatch.setattr(oversight, "cancel", cancel)
    assert (
        actions.cancel_for(submission=submission, user=make_staff("organiser", submission.phase)).status == "cancelled"
    )
    assert (len(calls), AuditEvent.objects.filter(action="cancel").count()) == (2, 1)


@pytest.mark.slow
def test_a_finish_that_fails_halfway_leaves_nothing_half_written(monkeypatch):
    submission = make_submission()
    monkeypatch.setattr("leaderboard.writing.recompute_team_standings", lambda *args: 1 / 0)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    evaluation = submission.latest
    assert (evaluation.status, evaluation.is_current, evaluation.scores) == ("pending", False, {})
    assert not Standing.objects.exists()


def test_a_mail_server_that_is_down_stops_no_evaluation(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    settings.EVALUATION_MAX_ATTEMPTS = 1
    make_staff("operator", email="a@example.org")
    submission = make_submission()
    submission.phase.dataset.__class__.objects.update(content_hash="x" * 64)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    assert submission.latest.failure_code == "SYSTEM_DATASET"
    tasks.alert_staff(submission.latest.pk)
    assert sent_mails() == []
    assert Schedule.objects.get().func == "submissions.mail.deliver"


def test_all_staff_with_an_address_are_told_of_a_failure_that_is_ours(settings):
    make_staff("operator", name="boss", email="boss@example.org")
    make_user("marked", is_staff=True, email="marked@example.org")
    make_staff("organiser", email="organiser@example.org")
    make_staff("operator", name="silent")
    make_staff("operator", name="gone", is_active=False, email="gone@example.org")
    make_user("ann", email="ann@example.org")
    submission = make_submission()
    actions.fail(evaluation=claim(submission.latest.pk, "w"), code="SYSTEM_DISK", staff_detail="/secret/path")
    message = OrmQ.objects.last().task
    assert message["func"] == "submissions.tasks.alert_staff"
    tasks.alert_staff(*message["args"])
    (mail,) = sent_mails()
    assert mail.to == ["boss@example.org"]
    assert "SYSTEM_DISK" in mail.subject
    assert f"{settings.SITE_URL}/admin/submissions/evaluation/{submission.latest.pk}/change/" in mail.body
    assert "secret" not in mail.subject + mail.body


def test_a_clock_that_jumps_back_gives_no_negative_durations():
    submission = make_submission()
    claim(submission.latest.pk, "w")
    before = timezone.now() - timedelta(hours=1)
    assert progress_of(submission.latest, before).elapsed_s == 0
    Evaluation.objects.update(finished_at=before)
    assert run_seconds(submission.latest, timezone.now(), submission.user) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("disclosure", "is_staff", "ran_s", "shown_s"),
    [("competition", False, 41, 50), ("competition", False, 101, 110), ("competition", True, 41, 41),
     ("practice", False, 41, 41)],
)  # fmt: skip
def test_how_long_it_ran_is_told_its_team_in_steps(disclosure, is_staff, ran_s, shown_s):
    evaluation = evaluated(phase=make_phase(disclosure=disclosure)).latest
    evaluation.finished_at = evaluation.started_at + timedelta(seconds=ran_s)
    assert run_seconds(evaluation, timezone.now(), make_staff("operator") if is_staff else make_user()) == shown_s


IMAGE_IS_AT = [
    ("pending", 0, "", "queued", "now"),
    ("running", 1, "started", "checked", "now"),
    ("running", 1, "load", "checked", "now"),
    ("failed", 1, "intake", "checked", "bad"),
    ("running", 1, "smoke", "trial run", "now"),
    ("failed", 1, "smoke", "trial run", "bad"),
    ("running", 2, "start", "running", "now"),
    ("cancelled", 2, "predicting", "running", "bad"),
    ("pending", 2, "queued", "queued", "now"),
    ("cancelled", 1, "queued", "queued", "bad"),
    ("running", 1, "scoring", "running", "now"),
]


@pytest.mark.parametrize(("status", "attempt", "stage", "step", "mark"), IMAGE_IS_AT)
def test_an_image_is_queued_before_it_is_checked(status, attempt, stage, step, mark):
    submission = make_submission()
    submission.phase.dataset.cases.filter(position=0).update(split="sample")
    evaluation = submission.latest
    submission.submission_type = evaluation.submission.submission_type = "docker"
    evaluation.status, evaluation.attempt, evaluation.stage = status, attempt, stage
    steps = step_states(evaluation, progress_of(evaluation, timezone.now()))
    order = ["received", "queued", "checked", "trial run", "running", "scored"]
    at = order.index(step)
    assert steps == [(name, "done" if i < at else mark if i == at else "") for i, name in enumerate(order)]


def test_a_csv_is_checked_before_it_is_queued_and_no_image_is_tried_without_sample_cases():
    submission = make_submission()
    steps = step_states(submission.latest, progress_of(submission.latest, timezone.now()))
    assert steps == [("received", "done"), ("checked", "done"), ("queued", "now"), ("running", ""), ("scored", "")]
    submission.submission_type = "docker"
    assert steps_of(submission) == ("received", "queued", "checked", "running", "scored")


def run_halfway(submission):
    claim(submission.latest.pk, "w").save_progress(answered=37, total=120)


def score(submission):
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")


def fail_as_ours(submission):
    actions.fail(evaluation=claim(submission.latest.pk, "w"), code="SYSTEM_DISK")


@pytest.mark.parametrize(
    ("happen", "response"),
    [
        (lambda submission: None, "Waiting in the queue, place 1."),
        (run_halfway, "37 / 120 cases, 0 s, about 0 s left."),
        (score, "Scored."),
        (fail_as_ours, "Our disk is full; the try was given back and staff were told. This was our fault."),
        (lambda submission: actions.cancel(submission=submission), "Cancelled."),
    ],
    ids=["queued", "running", "scored", "failed", "cancelled"],
)
def test_progress_says_in_one_sentence_where_it_stands(happen, response):
    submission = make_submission(user=make_member(), phase=make_phase())
    make_worker()
    happen(submission)
    submission.refresh_from_db()
    evaluation = submission.latest
    assert progress_of(evaluation, evaluation.started_at or timezone.now()).sentence == response
