"""The counter of lost attempts over an evaluation's life."""

from datetime import timedelta

import pytest

from lunasite.monitoring.metrics import database
from submissions import actions
from submissions.actions import finish
from submissions.actions.evaluate import claim
from submissions.tests.factories import make_submission


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "lost"), [("SYSTEM_ERROR", 3), ("CONTAINER_EXITED", 2)])
def test_the_count_of_lost_attempts_never_falls(settings, code, lost):
    """Prometheus takes a counter that falls for one that began anew, and adds all of it to the last hour."""
    settings.EVALUATION_MAX_ATTEMPTS = 2
    counted = [lost_attempts()]
    submission = make_submission()
    finish.requeue(evaluation=claim(submission.latest.pk, "tests"), code="SYSTEM_ERROR", wait=timedelta(0))
    counted.append(lost_attempts())
    finish.requeue(evaluation=claim(submission.latest.pk, "tests"), code="SYSTEM_ERROR", wait=timedelta(0))
    counted.append(lost_attempts())
    actions.retry(evaluation=submission.latest)
    counted.append(lost_attempts())
    finish.fail(evaluation=claim(submission.latest.pk, "tests"), code=code)
    assert [*counted, lost_attempts()] == [0, 1, 2, 2, lost]


def lost_attempts():
    samples = [sample for metric in database.leases() for sample in metric.samples]
    return next(sample.value for sample in samples if sample.name == "evaluation_failed_attempts_total")
