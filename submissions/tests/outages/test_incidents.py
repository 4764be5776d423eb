"""A shared part that is away makes its queue wait: no attempt counts, staff get one mail, and probes end it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from submissions import actions
from submissions.actions.queue import CSV_CLUSTER, DOCKER_CLUSTER
from submissions.faults import PlatformError, SharedPart
from submissions.models import Evaluation, Incident, PeriodicJob
from submissions.outages import incidents, pauses
from submissions.tests.actions.test_queue import make_image
from submissions.tests.factories import make_member, make_phase, make_submission, make_user
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db


def work_until_quiet(limit=200):
    """Take messages as a worker does, sweeping when there is none, until nothing waits that may run."""
    for _ in range(limit):
        message = OrmQ.objects.order_by("pk").first()
        if message is None:
            actions.reopen()
            actions.sweep()
            if not OrmQ.objects.exists():
                return
            continue
        message.delete()
        import_string(message.task["func"])(*message.task["args"])


@pytest.fixture
def storage_folder():
    return Path(storages["default"].path(""))


@pytest.mark.slow
def test_storage_away_under_thirty_jobs_costs_nothing_and_all_are_scored(storage_folder):
    make_user("boss", is_staff=True, is_superuser=True, email="boss@example.org")
    user, phase = make_member(), make_phase()
    for _ in range(30):
        make_submission(user=user, phase=phase)
    away = storage_folder.with_name("away")
    storage_folder.rename(away)

    work_until_quiet()

    waiting = Evaluation.objects.values_list("status", "failed_attempts")
    assert set(waiting) == {("pending", 0)}
    assert pauses.is_closed(CSV_CLUSTER)
    assert pauses.is_closed(DOCKER_CLUSTER)
    assert OrmQ.objects.count() == 0, "messages to a closed queue"

    away.rename(storage_folder)
    PeriodicJob.objects.filter(name__startswith="probe").delete()
    work_until_quiet()

    assert set(Evaluation.objects.values_list("status", "failed_attempts")) == {("completed", 0)}
    assert not pauses.is_closed(CSV_CLUSTER)
    (mail,) = sent_mails()
    assert mail.to == ["boss@example.org"]
    assert "storage of submissions" in mail.subject


def test_a_part_that_wavers_is_one_incident_and_one_mail():
    shared = SharedPart("storage")
    first = incidents.open_incident(shared, "once")
    incidents.close("storage")
    assert incidents.open_incident(shared, "again").pk == first.pk
    assert [message.task["func"] for message in OrmQ.objects.all()] == [incidents.ALERT]
    incidents.close("storage")
    Incident.objects.update(closed_at=timezone.now() - timedelta(minutes=11))
    assert incidents.open_incident(shared, "next day").pk != first.pk


def test_a_dataset_whose_files_are_away_holds_up_no_other():
    lost, other = make_image(), make_image()
    fault = PlatformError("SYSTEM_DATASET", "gone", shared=SharedPart("dataset", str(lost.phase.dataset_id), "a.mha"))

    def away(evaluation, heartbeat):
        raise fault

    actions.evaluate(evaluation_id=lost.latest.pk, worker="w", run_image=away)
    assert (lost.latest.status, lost.latest.failed_attempts) == ("pending", 0)
    from submissions.actions.work import candidates

    assert candidates(DOCKER_CLUSTER) == [other.latest.pk]
    OrmQ.objects.all().delete()
    assert actions.sweep() == (0, 1)


@pytest.mark.slow
def test_a_missing_file_is_its_own_trouble_and_stops_nobody():
    kept, lost = make_submission(), make_submission()
    Path(storages["default"].path(lost.file)).unlink()
    actions.evaluate(evaluation_id=lost.latest.pk, worker="w")
    assert (lost.latest.status, lost.latest.failed_attempts) == ("pending", 1)
    assert not Incident.objects.exists()
    actions.evaluate(evaluation_id=kept.latest.pk, worker="w")
    assert kept.latest.status == "completed"


@pytest.mark.slow
def test_what_waits_again_and_again_is_counted_at_last(storage_folder):
    submission = make_submission()
    for _ in range(50):
        submission.latest.add_event("waiting")
    storage_folder.rename(storage_folder.with_name("away"))
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    assert submission.latest.failed_attempts == 1


@pytest.mark.slow
def test_failures_of_one_code_are_mailed_once_an_hour():
    for _ in range(3):
        evaluation = make_submission().latest
        actions.fail(evaluation=evaluation, code="SYSTEM_METRIC")
    assert [message.task["func"] for message in OrmQ.objects.all()].count("submissions.tasks.alert_staff") == 1


def test_the_database_away_is_told_of_afterwards():
    incidents.record_database_outage(35)
    incident = Incident.objects.get()
    assert incident.part == "database"
    assert 34 < (incident.closed_at - incident.opened_at).total_seconds() < 37
