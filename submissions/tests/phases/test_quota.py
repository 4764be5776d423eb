"""Tries: rolling windows, half-open, per team, and none lost to faults that do not count."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions import actions
from submissions.actions.evaluate import claim
from submissions.actions.submit import check_may_submit
from submissions.models import Submission
from submissions.models.team import team_of
from submissions.phases import quota
from submissions.teams.membership import create_team, join_team, leave_team
from submissions.tests.factories import make_member, make_phase, make_submission, make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)  # the day European clocks jump
WEEK = timedelta(days=7)


def tries(phase, user, now):
    return quota.allowances(phase, team_of(user), user, now)


def open_phase(**fields):
    return make_phase(opens_at=NOON - timedelta(days=400), **fields)


def test_the_window_rolls_and_frees_a_try_exactly_after_it():
    user, phase = make_member(), open_phase(quotas=[(1, WEEK)])
    make_submission(user=user, phase=phase, received_at=NOON)
    almost = NOON + WEEK - timedelta(microseconds=1)
    assert tries(phase, user, almost)[0].next_free_at == NOON + WEEK
    assert tries(phase, user, NOON + WEEK)[0].left == 1


def test_a_used_up_quota_names_the_time_of_the_next_try():
    user, phase = make_member(), open_phase(quotas=[(1, WEEK)])
    make_submission(user=user, phase=phase, received_at=NOON)
    with pytest.raises(ApiError) as refused:
        make_submission(user=user, phase=phase, received_at=NOON + timedelta(hours=1))
    assert refused.value.status_code == 429
    assert refused.value.details["next_try_at"] == (NOON + WEEK).isoformat()


def test_of_several_windows_the_one_that_ends_last_decides():
    user, phase = make_member(), open_phase(quotas=[(1, timedelta(hours=1)), (1, WEEK)])
    make_submission(user=user, phase=phase, received_at=NOON)
    used_up = quota.first_used_up(tries(phase, user, NOON + timedelta(minutes=1)))
    assert used_up.next_free_at == NOON + WEEK


def test_a_quota_for_the_whole_phase_never_comes_free():
    user, phase = make_member(), open_phase(quotas=[(1, None), (1, WEEK)])
    make_submission(user=user, phase=phase, received_at=NOON)
    assert quota.first_used_up(tries(phase, user, NOON + 2 * WEEK)).next_free_at is None


def test_the_next_try_is_that_of_the_oldest_of_the_last_n():
    user, phase = make_member(), open_phase(quotas=[(2, WEEK)])
    for hours in (0, 5):
        make_submission(user=user, phase=phase, received_at=NOON + timedelta(hours=hours))
    assert tries(phase, user, NOON + timedelta(days=1))[0].next_free_at == NOON + WEEK


def test_a_team_shares_its_tries():
    owner, mate, phase = make_member(), make_user(), open_phase(quotas=[(1, None)])
    join_team(user=mate, code=team_of(owner).code)
    make_submission(user=owner, phase=phase, received_at=NOON)
    with pytest.raises(ApiError):
        make_submission(user=mate, phase=phase, received_at=NOON)


def test_changing_the_team_brings_no_new_tries():
    user, phase = make_member(), open_phase(quotas=[(1, None)])
    make_submission(user=user, phase=phase, received_at=NOON)
    leave_team(user=user)
    create_team(user=user, name="fresh")
    with pytest.raises(ApiError):
        make_submission(user=user, phase=phase, received_at=NOON)


def test_a_refunded_try_is_free_again():
    user, phase = make_member(), open_phase(quotas=[(1, None)])
    actions.refund(submission=make_submission(user=user, phase=phase, received_at=NOON))
    assert make_submission(user=user, phase=phase, received_at=NOON)


def test_just_before_the_closing_instant_a_submission_is_taken():
    sent_at = NOON - timedelta(microseconds=1)
    assert make_submission(phase=open_phase(closes_at=NOON), received_at=sent_at).created_at == sent_at


def test_the_closing_instant_is_out():
    with pytest.raises(ApiError, match="ended"):
        make_submission(phase=open_phase(closes_at=NOON), received_at=NOON)


def test_before_the_opening_nothing_is_taken():
    with pytest.raises(ApiError, match="opens on"):
        make_submission(phase=make_phase(opens_at=NOON), received_at=NOON - timedelta(seconds=1))


def test_another_person_s_idempotency_key_is_no_key_of_mine():
    phase = make_phase(opens_at=NOON - timedelta(days=1))
    first = make_submission(user=make_member(), phase=phase, received_at=NOON, idempotency_key="k")
    second = make_submission(user=make_member(), phase=phase, received_at=NOON, idempotency_key="k")
    assert first.pk != second.pk


def test_the_same_key_submits_once():
    user, phase = make_member(), open_phase(quotas=[(1, None)])
    first = make_submission(user=user, phase=phase, received_at=NOON, idempotency_key="k")
    second = make_submission(user=user, phase=phase, received_at=NOON, idempotency_key="k")
    assert first == second
    assert Submission.objects.count() == 1


def test_a_lone_user_becomes_a_team_of_one():
    user = make_user("solo")
    assert make_submission(user=user, phase=open_phase(), received_at=NOON).team.name == "solo"


def test_who_left_the_team_while_the_file_arrived_sends_nothing_in_its_name(own_files, monkeypatch):
    """Who was taken out of a team a moment before would else put an entry on its row, and use up its try."""
    user, phase = make_member(), open_phase()
    join_team(user=make_user(), code=team_of(user).code)  # the team stays
    submit = import_module("submissions.actions.submit")  # the package's own name is the action
    in_turn = submit.retry_on_deadlock

    def after_leaving(record):
        leave_team(user=user)
        return in_turn(record)

    monkeypatch.setattr(submit, "retry_on_deadlock", after_leaving)
    with pytest.raises(ApiError, match="You have left the team meanwhile") as refused:
        make_submission(user=user, phase=phase, received_at=NOON)
    assert (refused.value.status_code, refused.value.error_code) == (409, "TEAM_CHANGED")
    assert Submission.objects.count() == 0
    assert list((own_files / "files").rglob("*.csv")) == []


def test_a_refused_submission_leaves_no_file(own_files):
    user, phase = make_member(), open_phase(quotas=[(1, None)])
    make_submission(user=user, phase=phase, received_at=NOON)
    with pytest.raises(ApiError):
        make_submission(user=user, phase=phase, received_at=NOON)
    assert len(list((own_files / "files").rglob("*.csv"))) == 1


@pytest.mark.slow
def test_failed_trials_of_a_day_are_capped_though_none_counts(settings):
    settings.EVALUATION_TRIALS_PER_DAY = 2
    now = timezone.now()
    user, phase = make_member(), make_phase(opens_at=now - WEEK, quotas=[(1, None)])
    for hours in (30, 2, 1):
        submission = make_submission(user=user, phase=phase, received_at=now - timedelta(hours=hours))
        evaluation = claim(submission.latest.pk, "tests")
        actions.fail(evaluation=evaluation, code="NOT_READY", stage="smoke")
        submission.refresh_from_db()
        assert not submission.try_counts
    check = {"user": user, "phase": phase, "now": now}
    check_may_submit(submission_type=Submission.Type.CSV, **check)
    with pytest.raises(ApiError) as caught:
        check_may_submit(submission_type=Submission.Type.DOCKER, **check)
    assert caught.value.error_code == "TRIALS_EXCEEDED"
    settings.EVALUATION_TRIALS_PER_DAY = 3
    check_may_submit(submission_type=Submission.Type.DOCKER, **check)


@pytest.mark.parametrize(("begins", "limit_is_met"), [(False, False), (True, True)])
def test_of_cancelled_images_only_those_whose_trial_began_are_among_the_trials(settings, begins, limit_is_met):
    settings.EVALUATION_TRIALS_PER_DAY = 1
    now = timezone.now()
    user, phase = make_member(), make_phase(opens_at=now - WEEK)
    submission = make_submission(user=user, phase=phase, received_at=now)
    Submission.objects.update(submission_type=Submission.Type.DOCKER)
    if begins:
        claim(submission.latest.pk, "tests")
    submission.refresh_from_db()
    actions.cancel(submission=submission)
    submission.refresh_from_db()
    assert not submission.try_counts
    assert (quota.trials_failed(team_of(user), user, now) == 1) is limit_is_met


def test_another_team_gives_no_further_trials(settings):
    settings.EVALUATION_TRIALS_PER_DAY = 1
    now = timezone.now()
    user, phase, other = make_member(), make_phase(opens_at=now - WEEK), make_phase(opens_at=now - WEEK)
    evaluation = claim(make_submission(user=user, phase=phase, received_at=now).latest.pk, "tests")
    actions.fail(evaluation=evaluation, code="NOT_READY", stage="smoke")
    leave_team(user=user)
    create_team(user=user, name="a fresh start")
    with pytest.raises(ApiError) as caught:
        check_may_submit(submission_type=Submission.Type.DOCKER, user=user, phase=other, now=now)
    assert caught.value.error_code == "TRIALS_EXCEEDED"
