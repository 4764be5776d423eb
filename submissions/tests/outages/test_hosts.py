"""A sick host takes itself out of work, and comes back when it is well."""

from datetime import timedelta

import pytest
from django.utils import timezone

from submissions import actions, tasks
from submissions.actions import work
from submissions.faults import PlatformError, SharedPart
from submissions.models import Host, Incident, Worker
from submissions.models.outage import host_scope
from submissions.outages import hosts, pauses, probes
from submissions.presenters import waiting
from submissions.tests.actions.test_queue import make_image
from submissions.tests.factories import make_submission

pytestmark = pytest.mark.django_db
HOUR_S = 3600.0


@pytest.fixture
def other_host():
    """Another host that reaches the storage, succeeds, and takes images."""
    now = timezone.now()
    worker = {"host": "other", "pid": 1, "started_at": now, "seen_at": now}
    for cluster in ("evaluations", "containers"):
        Worker.objects.create(name=f"other/{cluster}/1", cluster=cluster, **worker)
    return Host.objects.create(name="other", seen_at=now, storage_answered_at=now, last_success_at=now)


def mine():
    return Host.objects.get(name=hosts.this_host())


@pytest.fixture
def clock_an_hour_ahead(monkeypatch):
    real = probes.database_now
    monkeypatch.setattr(probes, "database_now", lambda: real() - timedelta(seconds=HOUR_S))


def test_a_host_that_is_well_may_claim():
    assert work.may_claim("evaluations", lambda cluster: [])
    assert (mine().problem, mine().quarantined_at) == ("", None)


def test_a_host_whose_clock_is_an_hour_ahead_takes_itself_out(clock_an_hour_ahead):
    assert not work.may_claim("evaluations", lambda cluster: [])
    assert "3600 s ahead" in mine().quarantine_reason
    assert Incident.objects.open().get().scope == hosts.this_host()


def test_its_messages_go_back_to_the_queue(clock_an_hour_ahead):
    from django_q.models import OrmQ

    evaluation = make_submission().latest
    OrmQ.objects.all().delete()
    actions.work_on_message(evaluation_id=evaluation.pk, worker="w", run_image=None, probes=lambda cluster: [])
    evaluation.refresh_from_db()
    assert (evaluation.status, evaluation.attempt) == ("pending", 0)
    assert [message.task["args"] for message in OrmQ.objects.filter(key="evaluations")][-1] == (evaluation.pk,)


def test_a_host_comes_back_when_its_probes_pass(monkeypatch):
    answers = ["its engine does not answer", ""]
    engine = [lambda: answers.pop(0)]
    assert not work.may_claim("containers", lambda cluster: engine)
    assert mine().quarantined_at is not None
    assert work.may_claim("containers", lambda cluster: engine)
    assert mine().quarantined_at is None
    assert not Incident.objects.open().exists()


def fails_here(evaluation, heartbeat):
    raise PlatformError("SYSTEM_ENGINE", "no space left in the layer store")


def test_an_engine_that_is_away_costs_no_attempt_and_takes_its_host_out_until_it_answers():
    def engine_away(evaluation, heartbeat):
        raise PlatformError("SYSTEM_ENGINE", "no socket", shared=SharedPart(Incident.Part.HOST, hosts.this_host()))

    image = make_image()
    actions.evaluate(evaluation_id=image.latest.pk, worker="w", run_image=engine_away)
    assert (image.latest.status, image.latest.failed_attempts) == ("pending", 0)
    assert mine().quarantine_reason.startswith(f"{hosts.IMAGES_ONLY}SYSTEM_ENGINE")
    problem = ["its engine does not answer", ""]
    assert not work.may_claim("containers", lambda cluster: [lambda: problem[0]])
    assert work.may_claim("containers", lambda cluster: [lambda: problem[1]])
    assert work.candidates("containers") == [image.latest.pk]
    assert not Incident.objects.open().exists()


def test_an_engine_that_is_away_is_no_matter_of_the_csvs_of_its_host():
    """Two worker groups on one host: the one that runs no image neither stops for the engine nor calls it well."""
    now = timezone.now()
    for cluster in ("evaluations", "containers"):
        facts = {"host": hosts.this_host(), "pid": 1, "started_at": now, "seen_at": now}
        Worker.objects.create(name=f"{hosts.this_host()}/{cluster}/1", cluster=cluster, **facts)
    for _ in range(3):
        assert not hosts.check_this_host([lambda: "its engine does not answer"])
        assert hosts.check_this_host()
    assert mine().quarantine_reason == f"{hosts.IMAGES_ONLY}its engine does not answer"
    assert Incident.objects.get().closed_at is None, "it did not waver"
    assert [waiting.working_groups(cluster) for cluster in ("evaluations", "containers")] == [1, 0]
    assert hosts.check_this_host([lambda: ""])
    assert waiting.working_groups("containers") == 1


@pytest.mark.slow
def test_failures_that_others_do_not_have_send_a_host_to_quarantine(other_host):
    images = [make_image() for _ in range(4)]
    for image in images:
        actions.evaluate(evaluation_id=image.latest.pk, worker="w", run_image=fails_here)
    assert "not elsewhere" in mine().quarantine_reason
    assert [image.latest.failed_attempts for image in images] == [1, 1, 0, 0]
    assert {image.latest.avoid_host for image in images} == {hosts.this_host()}
    assert not work.may_claim("containers", lambda cluster: [])
    Host.objects.filter(name=hosts.this_host()).update(quarantined_at=timezone.now() - timedelta(minutes=11))
    assert work.may_claim("containers", lambda cluster: [])
    hosts.record_failure(hosts.this_host(), "SYSTEM_ENGINE")
    assert mine().quarantined_at is not None, "one more failure sends it back"


def test_failures_that_every_host_has_are_no_reason(other_host):
    Host.objects.filter(name="other").update(last_success_at=timezone.now() - timedelta(hours=1))
    for _ in range(4):
        hosts.record_failure(hosts.this_host(), "SYSTEM_ENGINE")
    assert mine().quarantined_at is None


def test_a_retry_is_left_to_another_host_while_there_is_one(other_host):
    image = make_image()
    actions.evaluate(evaluation_id=image.latest.pk, worker="w", run_image=fails_here)
    image.evaluations.update(available_at=timezone.now())
    assert work.candidates("containers") == []
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    assert work.candidates("containers") == [image.latest.pk]


def test_storage_that_only_this_host_misses_is_this_hosts_trouble(other_host, monkeypatch):
    monkeypatch.setattr(probes, "is_readable", lambda name, key: False)
    assert not hosts.check_this_host()
    assert "other hosts reach" in mine().quarantine_reason
    assert list(Incident.objects.open().values_list("part", flat=True)) == ["host"]


def test_storage_that_nobody_reaches_is_an_incident(monkeypatch):
    monkeypatch.setattr(probes, "is_readable", lambda name, key: False)
    hosts.check_this_host()
    assert list(Incident.objects.open().values_list("part", flat=True)) == ["storage"]
    assert mine().quarantined_at is None


def test_an_outage_for_all_is_nobodys_trouble(other_host, monkeypatch):
    """When it begins, the others' last answers are a few seconds old: they do not say that only this host misses it."""
    hosts.check_this_host()
    monkeypatch.setattr(probes, "is_readable", lambda name, key: False)
    assert not hosts.check_this_host()
    assert (mine().quarantined_at, Incident.objects.count()) == (None, 0)

    Host.objects.update(storage_answered_at=timezone.now() - 2 * hosts.ANSWERED_WITHIN)
    hosts.check_this_host()
    assert list(Incident.objects.values_list("part", flat=True)) == ["storage"]
    assert mine().quarantined_at is None


@pytest.mark.parametrize(("part", "incidents"), [("storage", []), ("datasets", ["datasets"])])
def test_an_attempt_that_meets_an_outage_for_all_accuses_no_host(other_host, part, incidents):
    def away(evaluation, heartbeat):
        raise PlatformError("SYSTEM_STORAGE", "no answer", shared=SharedPart(part))

    hosts.check_this_host()
    image = make_image()
    actions.evaluate(evaluation_id=image.latest.pk, worker="w", run_image=away)
    assert mine().quarantined_at is None
    assert list(Incident.objects.values_list("part", flat=True)) == incidents
    assert (image.latest.status, image.latest.failed_attempts) == ("pending", 0)
    # It waits until it is known whose trouble that is, or for the part.
    assert bool(work.candidates("containers")) == pauses.is_closed("containers") == bool(incidents)


def test_storage_that_others_reach_long_after_this_host_is_this_hosts_trouble(other_host, monkeypatch):
    hosts.check_this_host()
    monkeypatch.setattr(probes, "is_readable", lambda name, key: False)
    long_ago = timezone.now() - 2 * hosts.ANSWERED_WITHIN
    Host.objects.filter(name=hosts.this_host()).update(storage_answered_at=long_ago)
    assert not hosts.check_this_host()
    assert "other hosts reach" in mine().quarantine_reason


def test_a_host_that_runs_no_images_needs_no_folder_for_their_cases(settings, monkeypatch):
    """As under Compose: all services read one .env, and only one of them has the folder that it names."""
    settings.EVALUATION_CASES_DIR = "/proc/no/folder/can/be/made/here"
    monkeypatch.setattr("submissions.worker.engine_host.engine_problem", lambda: "")
    assert hosts.check_this_host(tasks.engine_probes("evaluations"))
    assert not hosts.check_this_host(tasks.engine_probes("containers"))
    assert "EVALUATION_CASES_DIR cannot be used" in mine().quarantine_reason


def test_a_full_disk_is_this_hosts_trouble(monkeypatch):
    monkeypatch.setattr(probes, "MIN_FREE_BYTES", 1 << 60)
    assert not hosts.check_this_host()
    assert "MiB free" in mine().quarantine_reason


def test_three_failures_in_a_row_keep_a_host_out_for_ten_minutes(other_host):
    assert [hosts.record_failure(hosts.this_host(), "SYSTEM_ENGINE") for _ in range(3)] == [False, False, True]
    out = mine()
    almost = out.quarantined_at + hosts.QUARANTINE - timedelta(microseconds=1)
    assert not hosts.may_return(out, almost)
    assert hosts.may_return(out, out.quarantined_at + hosts.QUARANTINE)


def test_a_host_that_came_back_waits_for_a_probe_no_longer_than_the_probe_fails(other_host):
    for _ in range(4):
        hosts.record_failure(hosts.this_host(), "SYSTEM_ENGINE")
    assert hosts.end_quarantine(hosts.this_host())
    assert not hosts.check_this_host([lambda: "its engine does not answer"])
    assert hosts.check_this_host([lambda: ""])


def test_a_host_that_was_well_just_now_is_drained_at_once():
    assert work.may_claim("evaluations", lambda cluster: [])
    pauses.pause(host_scope(hosts.this_host()))
    assert not work.may_claim("evaluations", lambda cluster: [])
