"""Rows at their first moment, and the conditions under which a query finds them."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from leaderboard.models import BoardEntry
from submissions.models import Dataset, Evaluation, PeriodicJob
from submissions.tests.factories import make_phase, make_submission

pytestmark = pytest.mark.django_db
Status = Evaluation.Status


def running(phase, attempt=1, lease_s=60.0, status=Status.RUNNING):
    evaluation = make_submission(phase=phase).latest
    lease = timezone.now() + timedelta(seconds=lease_s)
    Evaluation.objects.filter(pk=evaluation.pk).update(status=status, attempt=attempt, lease_until=lease)
    return evaluation.pk


def test_an_attempt_is_found_by_its_own_evaluation_only():
    phase = make_phase()
    one, other = running(phase), running(phase)
    assert [row.pk for row in Evaluation.objects.attempt_running(one, 1)] == [one]
    assert [row.pk for row in Evaluation.objects.attempt_running(other, 1)] == [other]
    assert not Evaluation.objects.attempt_running(one, 2)


@pytest.mark.slow
def test_only_a_running_evaluation_has_an_expired_lease():
    phase = make_phase()
    late = running(phase, lease_s=-1)
    running(phase, lease_s=60)
    running(phase, lease_s=-1, status=Status.COMPLETED)
    assert [row.pk for row in Evaluation.objects.lease_expired()] == [late]


def test_one_job_s_turn_leaves_the_others_due():
    assert PeriodicJob.acquire("sweep", 60)
    assert PeriodicJob.acquire("prune", 60)
    long_ago = timezone.now() - timedelta(minutes=5)
    PeriodicJob.objects.update(done_at=long_ago)
    assert PeriodicJob.acquire("sweep", 60)
    assert not PeriodicJob.acquire("sweep", 60)
    assert PeriodicJob.objects.get(name="prune").done_at == long_ago
    assert PeriodicJob.acquire("prune", 60)


def test_rows_begin_at_nothing():
    dataset = Dataset.objects.create(kind="lesion", name="first", content_hash="h" * 64)
    assert dataset.version == 1
    evaluation = Evaluation()
    assert (evaluation.answered, evaluation.total, evaluation.attempt, evaluation.failed_attempts) == (0, 0, 0, 0)
    assert BoardEntry().is_baseline is False


@pytest.mark.parametrize(("field", "least"), [("root_mib", 16), ("memory_mib", 64), ("timeout_s", 1), ("parallel", 1)])
def test_a_limit_is_taken_from_its_least_value_on(field, least):
    phase = make_phase()
    setattr(phase, field, least)
    phase.clean()
    setattr(phase, field, least - 1)
    with pytest.raises(ValidationError) as refused:
        phase.clean()
    assert list(refused.value.message_dict) == [field]
