"""Seconds could carry bits of the hidden truth: what a team reads of them, and that no page tells those of a case."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from submissions.models import Evaluation, Phase, Submission
from submissions.tests.factories import evaluated, make_member, make_phase, make_staff

pytestmark = pytest.mark.django_db
OF_THE_RUN = {
    "load_s": 1.5,
    "start_s": 2.5,
    "predict_s": 40.25,
    "score_s": 0.5,
    "latency_median_s": 0.25,
    "latency_p95_s": 0.75,
    "peak_memory_bytes": 123456789,
    "smoke_s": 9.5,
}
PER_CASE = {"latency_s": {"case3": 7.654321, "case7": 3.141592}}
STAFFS_OWN = {
    "read_s": 6.5432,
    "predict_started_at": "2001-02-03T04:05:06+00:00",
    "had_processes_killed_for_memory": True,
}
HIDDEN = ("7.654321", "3.141592", "6.5432", "2001-02-03", "latency_s", "killed_for_memory")


@pytest.fixture
def ann():
    return make_member("ann")


@pytest.fixture
def submission(ann):
    """A scored entry with every timing that a worker keeps of a container's run."""
    submission = evaluated(user=ann, phase=make_phase(slug="p1", disclosure="competition"))
    default_storage.save(submission.file, ContentFile(b"an image"))
    started = timezone.now()
    submission.evaluations.update(
        timings=OF_THE_RUN | PER_CASE | STAFFS_OWN, started_at=started, finished_at=started + timedelta(seconds=61.7)
    )
    Submission.objects.update(submission_type=Submission.Type.DOCKER)
    submission.refresh_from_db()
    return submission


COARSE = {"load_s": 1.5, "smoke_s": 9.5, "total_s": 70, "peak_memory_quarters": 2}
SAMPLE = {"sample_predict_s": 0.125, "sample_latency_s": {"s1": 0.0625}}


@pytest.mark.parametrize(
    ("disclosure", "is_staff", "timings"),
    [
        ("competition", False, COARSE),
        ("competition", True, OF_THE_RUN | {"total_s": 62}),
        ("practice", False, OF_THE_RUN | {"total_s": 62}),
    ],
)
@pytest.mark.slow
def test_the_report_tells_the_timings_that_the_disclosure_allows(
    client, submission, ann, disclosure, is_staff, timings
):
    Phase.objects.update(disclosure=disclosure)
    Submission.objects.update(limits={"memory_mib": 300})
    Evaluation.objects.update(timings=OF_THE_RUN | PER_CASE | STAFFS_OWN | SAMPLE)
    client.force_login(make_staff("operator") if is_staff else ann)
    report = client.get(f"/api/v1/submissions/{submission.pk}/report").json()
    assert report["timings"] == timings | SAMPLE


def everything_a_team_reads(submission):
    api, page = f"/api/v1/submissions/{submission.pk}", f"/submissions/{submission.pk}/"
    own = [api, f"{api}/report", f"{api}/record", "/api/v1/submissions", page, f"{page}progress/", "/submissions/"]
    board = "/leaderboards/p1/"
    shared = [board, f"{board}history/", f"{board}compare/", f"{board}leaderboard.csv", "/api/v1/leaderboard?phase=p1"]
    return own + shared


@pytest.mark.slow
def test_no_page_and_no_answer_tells_the_seconds_of_a_case(client, submission, ann):
    client.force_login(ann)
    message = {}
    for address in everything_a_team_reads(submission):
        answer = client.get(address)
        assert answer.status_code in (200, 286), address
        message[address] = [word for word in HIDDEN if word in answer.content.decode()]
    assert not any(message.values()), message


@pytest.mark.parametrize(
    ("submission_type", "staff", "seconds"),
    [("docker", False, 70), ("docker", True, 62), ("csv", False, 70), ("csv", True, 62)],
)
@pytest.mark.slow
def test_only_staff_read_how_long_it_ran_to_the_second(client, submission, ann, submission_type, staff, seconds):
    Submission.objects.update(submission_type=submission_type)
    client.force_login(make_staff("operator") if staff else ann)
    assert client.get(f"/api/v1/submissions/{submission.pk}").json()["seconds"] == seconds


@pytest.mark.parametrize(("ran_s", "seconds"), [(0, 10), (1, 10), (10, 10), (10.6, 20), (11, 20), (20, 20), (-5, 10)])
@pytest.mark.slow
def test_a_containers_seconds_are_rounded_up_to_ten(client, submission, ann, ran_s, seconds):
    started = timezone.now()
    Evaluation.objects.update(started_at=started, finished_at=started + timedelta(seconds=ran_s))
    client.force_login(ann)
    assert client.get(f"/api/v1/submissions/{submission.pk}").json()["seconds"] == seconds


@pytest.mark.slow
def test_a_run_that_is_not_over_has_no_seconds(client, submission, ann):
    Evaluation.objects.update(finished_at=None)
    client.force_login(ann)
    assert client.get(f"/api/v1/submissions/{submission.pk}").json()["seconds"] is None
