"""What Prometheus and readers of the status page ask again and again, over a table of many evaluations."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from lunasite.monitoring import status_page
from lunasite.monitoring.metrics.durations import SECONDS, run_times, wait_times
from submissions.models import Evaluation
from submissions.tests.factories import make_submission

LENGTHS_S = [0, 0.4, 1, 1.001, 4.999, 5, 5.001, 59.5, 3600, 100_000]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("read", "start", "end"), [(wait_times, "created_at", "started_at"), (run_times, "started_at", "finished_at")]
)
def test_a_histogram_counts_each_length_up_to_its_bound(read, start, end):
    submission = make_submission()
    Evaluation.objects.all().delete()
    now = timezone.now().replace(microsecond=0)
    for length_s in LENGTHS_S:
        times = {"created_at": now, "started_at": now, start: now, end: now + timedelta(seconds=length_s)}
        Evaluation.objects.create(submission=submission, status="completed", **times)
    Evaluation.objects.create(submission=submission, status="pending")
    found = read()
    assert found.buckets == [
        *((str(float(bound)), sum(length_s <= bound for length_s in LENGTHS_S)) for bound in SECONDS),
        ("+Inf", len(LENGTHS_S)),
    ]
    assert found.sum_s == pytest.approx(sum(LENGTHS_S), abs=0.01)


@pytest.mark.django_db
def test_a_histogram_of_nothing_is_empty():
    assert run_times().buckets[-1] == ("+Inf", 0)
    assert run_times().sum_s == 0


@pytest.mark.django_db
@pytest.mark.parametrize("read", [wait_times, run_times])
def test_a_histogram_calls_no_python_for_each_row(read):
    """Django lends SQLite functions named django_…; over 100,000 evaluations a scrape took 22 seconds with them."""
    with CaptureQueriesContext(connection) as captured:
        read()
    assert [query["sql"] for query in captured if "django_" in query["sql"]] == []


@pytest.mark.django_db
def test_the_status_page_reads_unfinished_evaluations_alone():
    """Their index finds them; the whole table costs half a second of 100,000."""
    make_submission()
    with CaptureQueriesContext(connection) as captured:
        waiting = {queue.name: queue.waiting for queue in status_page.queues()}
    assert waiting["evaluations"] == 1
    of_evaluations = [query["sql"] for query in captured if '"submissions_evaluation"' in query["sql"]]
    assert of_evaluations
    assert all('"status" IN (' in sql.partition("WHERE")[2] for sql in of_evaluations)
