"""The operators' verbs: pause, drain, retry by filter, maintenance; and what those who wait are told."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from submissions import actions
from submissions.actions import work
from submissions.actions.queue import TASK
from submissions.models import AuditEvent, Evaluation, Host, Pause, Worker
from submissions.outages import hosts, incidents, pauses
from submissions.presenters import waiting
from submissions.presenters.progress import progress_of
from submissions.tests.actions.test_queue import make_image
from submissions.tests.factories import csv_file, evaluated, make_member, make_phase, make_submission, make_user

pytestmark = pytest.mark.django_db


def operate(*arguments):
    out = StringIO()
    call_command("operate", *arguments, stdout=out)
    waiting.forget()
    return out.getvalue().strip()


def evaluations(*arguments):
    out = StringIO()
    call_command("evaluations", *arguments, stdout=out, stderr=out)
    return out.getvalue().strip().splitlines()[-1]


def audit():
    return list(AuditEvent.objects.values_list("actor_name", "action"))


def alive(cluster="evaluations", host="a"):
    now = timezone.now()
    Worker.objects.create(name=f"{host}/{cluster}", host=host, cluster=cluster, pid=1, started_at=now, seen_at=now)


@pytest.mark.slow
def test_a_paused_queue_claims_nothing_and_goes_on_when_resumed():
    evaluation = make_submission().latest
    operate("pause", "evaluations", "--reason", "A new scanner is installed.")
    run = {"cluster": "evaluations", "worker": "w", "run_image": None}
    assert actions.work_once(**run) is False
    sentence = progress_of(evaluation, timezone.now()).sentence
    assert sentence == "Waiting, place 1. The organisers have paused this queue: A new scanner is installed."
    assert actions.sweep() == (0, 0)
    assert operate("resume", "evaluations") == "queue:evaluations: started again"
    assert audit() == [("command line", "resume"), ("command line", "pause")]
    assert actions.work_once(**run) is True


def test_a_drained_host_takes_nothing_more():
    operate("drain", hosts.this_host())
    assert not work.may_claim("evaluations", lambda cluster: [])
    operate("undrain", hosts.this_host())
    assert work.may_claim("evaluations", lambda cluster: [])


@pytest.mark.slow
def test_a_queue_without_workers_is_told_of_in_the_page_the_form_and_the_admin(client):
    image = make_image()
    client.force_login(image.user)
    sentence = "No worker for images is running now"
    assert sentence in client.get(f"/submissions/{image.pk}/").content.decode()
    assert sentence in client.get(f"/phases/{image.phase.slug}/?send=docker").content.decode()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert (
        "No worker of the queue &#x27;containers&#x27; takes work now; 1 wait."
        in client.get("/admin/").content.decode()
    )
    alive("containers")
    waiting.forget()
    assert sentence not in client.get(f"/submissions/{image.pk}/").content.decode()


def test_a_host_in_quarantine_counts_as_no_worker():
    alive(host="sick")
    assert waiting.working_groups("evaluations") == 1
    Host.objects.create(name="sick", seen_at=timezone.now(), quarantined_at=timezone.now())
    assert waiting.working_groups("evaluations") == 0


@pytest.mark.slow
def test_the_expected_wait_follows_from_place_workers_and_usual_run_time():
    done = evaluated().latest
    Evaluation.objects.filter(pk=done.pk).update(started_at=done.finished_at - timezone.timedelta(seconds=120))
    alive()
    outlook = waiting.outlook_of("csv")
    assert outlook.wait_s(5) == round(120 * 4 / outlook.workers)
    assert outlook.sentence(5) == "Waiting in the queue, place 5; it starts in about 4 min."
    assert outlook.sentence(1) == "Waiting in the queue, place 1."


def test_an_incident_is_told_of_without_detail():
    from submissions.faults import SharedPart

    submission = make_submission()
    incidents.open_incident(SharedPart("storage"), "secret-endpoint:9000 refused")
    sentence = progress_of(submission.latest, timezone.now()).sentence
    assert "does not answer now" in sentence
    assert "secret" not in sentence


@pytest.mark.slow
def test_maintenance_lets_read_and_refuses_with_a_sentence():
    phase, member = make_phase(), make_member()
    client = Client()
    client.force_login(member)
    operate("maintenance-on", "--reason", "Until noon.")
    pauses.forget()
    page = client.get(f"/phases/{phase.slug}/")
    assert (page.status_code, "Until noon." in page.content.decode()) == (200, True)
    by_page = client.post(f"/phases/{phase.slug}/submit/", {"file": csv_file()})
    by_api = client.post("/api/v1/submissions", {"phase": phase.slug, "file": csv_file()})
    assert (by_page.status_code, by_api.status_code) == (503, 503)
    assert by_api.json()["error_code"] == "MAINTENANCE"
    assert "Until noon." in by_api.json()["message"]
    assert by_api["Retry-After"]
    assert not Evaluation.objects.exists()
    operate("maintenance-off")
    pauses.forget()
    assert client.post("/api/v1/submissions", {"phase": phase.slug, "file": csv_file()}).status_code == 201


def test_staff_pause_and_resume_in_the_admin(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    assert "queue:containers" in client.get("/admin/submissions/pause/add/").content.decode()
    client.post("/admin/submissions/pause/add/", {"scope": "queue:containers", "reason": "Soon."})
    pause = Pause.objects.get()
    assert (pause.scope, pause.by) == ("queue:containers", "boss")
    client.post(f"/admin/submissions/pause/{pause.pk.replace(':', '_3A')}/delete/", {"post": "yes"})
    assert not Pause.objects.exists()
    assert audit() == [("boss", "resume"), ("boss", "pause")]


@pytest.mark.slow
def test_many_are_retried_by_their_code_alone():
    ours, theirs = make_submission(), make_submission()
    actions.fail(evaluation=ours.latest, code="SYSTEM_STORAGE")
    actions.fail(evaluation=theirs.latest, code="CSV_IDS")
    OrmQ.objects.all().delete()
    assert evaluations("retry", "--code", "SYSTEM_STORAGE", "--dry-run") == "1 found, 0 changed, 0 refused"
    assert evaluations("retry", "--code", "SYSTEM_STORAGE") == "1 found, 1 changed, 0 refused"
    assert (ours.latest.status, theirs.latest.status) == ("pending", "failed")


@pytest.mark.slow
def test_many_are_cancelled_and_refunded_by_phase():
    kept, gone = make_submission(), make_submission()
    assert evaluations("cancel", "--phase", gone.phase.slug) == "1 found, 1 changed, 0 refused"
    assert (kept.latest.status, gone.latest.status) == ("pending", "cancelled")
    failed = make_submission()
    actions.fail(evaluation=failed.latest, code="OUT_OF_MEMORY")
    assert evaluations("refund", "--code", "OUT_OF_MEMORY") == "1 found, 1 changed, 0 refused"
    failed.refresh_from_db()
    assert failed.try_counts is False
    assert audit() == [("command line", "refund"), ("command line", "cancel")]


def test_a_verb_without_a_filter_asks_for_one():
    with pytest.raises(CommandError, match="--all"):
        call_command("evaluations", "retry")
    with pytest.raises(CommandError, match="Name a queue"):
        call_command("operate", "pause", "nothing")


@pytest.mark.slow
def test_work_one_takes_one_evaluation_and_ends():
    first, second = make_submission(), make_submission()
    call_command("work", "evaluations", "--one")
    assert sorted([first.latest.status, second.latest.status]) == ["completed", "pending"]
    assert [message.func() for message in OrmQ.objects.all()].count(TASK) == 1
    call_command("work", "evaluations", "--one")
    with pytest.raises(SystemExit) as ended:
        call_command("work", "evaluations", "--one")
    assert ended.value.code == 3
