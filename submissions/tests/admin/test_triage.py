"""Staff sort out evaluations: find what failed, read why, and decide; the board follows."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.storage import default_storage
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from leaderboard.models import Standing
from submissions import actions
from submissions.actions.evaluate import claim
from submissions.failures import FAILURES
from submissions.models import Evaluation, Submission, Worker
from submissions.tests.factories import (
    GOOD,
    evaluated,
    make_dataset,
    make_member,
    make_phase,
    make_submission,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
Status = Evaluation.Status
EVALUATIONS = reverse("admin:submissions_evaluation_changelist")
SUBMISSIONS = reverse("admin:submissions_submission_changelist")


@pytest.fixture
def staff(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return client


def failed(code="OUT_OF_MEMORY", submission=None, **fields):
    submission = submission or make_submission(**fields)
    evaluation = claim(submission.latest.pk, "tests")
    evaluation.add_event("running", "A worker has started.")
    actions.fail(evaluation=evaluation, code=code, note="Our note.", staff_detail="the engine's own words")
    return evaluation


def act(client, url, action, *rows, **more):
    data = {"action": action, "_selected_action": [row.pk for row in rows], "index": "0"} | more
    return client.post(url, data, follow=True)


def output(response):
    return " ".join(str(message) for message in response.context["messages"])


def listed(response):
    return [row.pk for row in response.context["cl"].result_list]


# Finding


def test_the_list_names_state_code_and_whose_fault(staff):
    failed("OUT_OF_MEMORY")
    failed("SYSTEM_ENGINE")
    page = staff.get(EVALUATIONS).content.decode().replace("<wbr>", "")
    assert "OUT_OF_MEMORY<br><small>the participant&#x27;s fault<" in page
    assert "SYSTEM_ENGINE<br><small>our fault<" in page


def test_filters_find_evaluations(staff):
    ours, theirs = failed("SYSTEM_ENGINE"), failed("OUT_OF_MEMORY")
    waiting = make_submission().latest
    Evaluation.objects.filter(pk=theirs.pk).update(
        created_at=timezone.now() - timedelta(days=2), attempt=4, worker="host/evaluations/7:8"
    )
    Worker.objects.create(name="host/evaluations/7", pid=7, started_at=timezone.now(), seen_at=timezone.now())
    table = {
        "status__exact=pending": {waiting.pk},
        "fault=platform": {ours.pk},
        "fault=participant": {theirs.pk},
        "code=SYSTEM_ENGINE": {ours.pk},
        "age=older-day": {theirs.pk},
        "age=hour": {ours.pk, waiting.pk},
        "attempts=0": {waiting.pk},
        "attempts=1": {ours.pk},
        "attempts=more": {theirs.pk},
        "by_worker=host/evaluations/7": {theirs.pk},
        f"q={theirs.submission.team.name.replace(' ', '+')}": {theirs.pk},
        "q=OUT_OF": {theirs.pk},
        "age=nonsense": {ours.pk, theirs.pk, waiting.pk},
    }
    for query, expected in table.items():
        assert set(listed(staff.get(f"{EVALUATIONS}?{query}"))) == expected, query


@pytest.mark.parametrize("url", [EVALUATIONS, SUBMISSIONS])
def test_a_longer_list_costs_no_more_queries(staff, url):
    phase = make_phase()
    failed(phase=phase)
    with CaptureQueriesContext(connection) as few:
        staff.get(url)
    for _ in range(8):
        failed(phase=phase)
    with CaptureQueriesContext(connection) as many:
        staff.get(url)
    assert len(many) == len(few)


def test_the_list_reads_no_log_and_no_prediction(staff):
    evaluated()
    with CaptureQueriesContext(connection) as queries:
        staff.get(EVALUATIONS)
    sql = " ".join(query["sql"] for query in queries)
    assert not re.search(r"\"(predictions|run_log|smoke_log|partial_answers|staff_detail)\"", sql)


# Reading


def test_the_page_tells_the_whole_story(staff):
    evaluation = failed()
    Evaluation.objects.filter(pk=evaluation.pk).update(
        smoke_log="smoke <b>says</b>", run_log="run says", timings={"load_s": 1.5, "latency_s": {"case0": 9.25}}
    )
    response = staff.get(reverse("admin:submissions_evaluation_change", args=[evaluation.pk]))
    page = response.content.decode()
    for text in ("run says", "the engine&#x27;s own words", "Our note.", "load_s", FAILURES["OUT_OF_MEMORY"].code,
                 "the try counted", "A worker has started.", "smoke &lt;b&gt;says"):  # fmt: skip
        assert text in page, text
    assert f"<h2>Evaluation {evaluation.pk} of {evaluation.submission}</h2>" in page  # its title, no identifier
    assert "<b>says</b>" not in page
    assert "9.25" not in page  # the time of one case is a case's
    assert 'name="_save"' not in page


def test_the_timeline_gives_each_stage_its_attempt_and_seconds(staff):
    evaluation = failed()
    start = timezone.now() - timedelta(minutes=1)
    for number, event in enumerate(evaluation.events.all()):
        type(event).objects.filter(pk=event.pk).update(at=start + timedelta(seconds=2.5 * number))
    page = staff.get(reverse("admin:submissions_evaluation_change", args=[evaluation.pk])).content.decode()
    assert re.findall(r'field-took">\s*<p>(.*?)</p>', page) == ["2.5 s", "2.5 s", "–"]
    assert re.findall(r'field-attempt">\s*<p>(\d)</p>', page) == ["0", "1", "1"]


def test_predictions_and_truth_are_on_no_page(staff):
    dataset = make_dataset()
    submission = evaluated(phase=make_phase(dataset), values=[0.123456789, *GOOD[1:]])
    evaluation = submission.latest
    case = dataset.cases.first()
    addresses = [
        reverse("admin:submissions_evaluation_change", args=[evaluation.pk]),
        reverse("admin:submissions_submission_change", args=[submission.pk]),
        reverse("admin:submissions_case_change", args=[case.pk]),
        reverse("admin:submissions_case_changelist") + f"?dataset__id__exact={dataset.pk}",
        reverse("admin:submissions_dataset_change", args=[dataset.pk]),
    ]
    for address in addresses:
        response = staff.get(address)
        assert response.status_code == 200, address
        page = response.content.decode()
        assert "0.123456789" not in page
        assert "truth" not in page.lower()


def test_names_from_outside_are_escaped_and_run_nothing(staff):
    nasty = "<script>alert(1)</script>{{7*7}}"
    evaluation = failed(user=make_member("m", team=nasty[:80]), title=nasty)
    addresses = [EVALUATIONS, SUBMISSIONS, reverse("admin:submissions_team_changelist")]
    addresses.append(reverse("admin:submissions_evaluation_change", args=[evaluation.pk]))
    addresses.append(reverse("admin:submissions_submission_change", args=[evaluation.submission_id]))
    for address in addresses:
        page = staff.get(address).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page


# Deciding


def test_retry_moves_what_failed_and_says_what_it_could_not(staff):
    broken, done = failed(), evaluated().latest
    response = act(staff, EVALUATIONS, "retry", broken, done)
    broken.refresh_from_db()
    assert broken.status == Status.PENDING
    assert broken.failure_code == ""
    assert Submission.objects.get(pk=broken.submission_id).try_counts
    assert OrmQ.objects.exists()
    assert "1 queued again" in output(response)
    assert "1 could not be queued again" in output(response)
    assert "only what failed can be retried" in output(response)


def test_a_retried_evaluation_is_scored_and_ranks(staff):
    evaluation = failed("SYSTEM_STORAGE")
    assert not Standing.objects.exists()
    act(staff, EVALUATIONS, "retry", evaluation)
    actions.evaluate(evaluation_id=evaluation.pk, worker="tests")
    assert Standing.objects.get().evaluation == evaluation


def test_retry_beside_an_active_evaluation_is_refused_in_words(staff):
    old = failed()
    actions.re_evaluate(submission=old.submission)
    response = act(staff, EVALUATIONS, "retry", old)
    assert "Another evaluation of the submission is waiting or running" in output(response)


def test_cancel(staff):
    waiting, done = make_submission().latest, evaluated().latest
    response = act(staff, EVALUATIONS, "cancel", waiting, done)
    waiting.refresh_from_db()
    assert waiting.status == Status.CANCELLED
    assert "already completed" in output(response)


def test_re_evaluate_keeps_the_old_score_until_the_new_one_is_there(staff):
    submission = evaluated()
    first = submission.latest
    act(staff, EVALUATIONS, "re_evaluate", first)
    second = submission.latest
    assert (first.pk != second.pk, second.status) == (True, Status.PENDING)
    assert Standing.objects.get().evaluation == first
    actions.evaluate(evaluation_id=second.pk, worker="tests")
    assert Standing.objects.get().evaluation == second


def test_refund_gives_the_try_back_once(staff):
    evaluation = failed("TIMEOUT")
    assert "1 refunded" in output(act(staff, EVALUATIONS, "refund", evaluation))
    assert not Submission.objects.get(pk=evaluation.submission_id).try_counts
    assert "given back before" in output(act(staff, EVALUATIONS, "refund", evaluation))


def test_a_refunded_try_can_be_used_again(staff):
    user, phase = make_member(), make_phase(quotas=[(1, None)])
    evaluation = failed(user=user, phase=phase)
    act(staff, EVALUATIONS, "refund", evaluation)
    assert make_submission(user=user, phase=phase)


def test_hide_takes_a_row_off_the_board_and_unhide_brings_the_same_back(staff):
    submission = evaluated()
    row = Standing.objects.values("team", "split", "score", "evaluation").get()
    act(staff, SUBMISSIONS, "hide", submission)
    assert not Standing.objects.exists()
    act(staff, SUBMISSIONS, "unhide", submission)
    assert Standing.objects.values("team", "split", "score", "evaluation").get() == row


def test_hiding_the_best_leaves_the_next_best(staff):
    user, phase = make_member(), make_phase()
    worse = evaluated(user=user, phase=phase, values=list(reversed(GOOD)))
    best = evaluated(user=user, phase=phase)
    assert Standing.objects.get().evaluation == best.latest
    act(staff, EVALUATIONS, "hide", best.latest)
    assert Standing.objects.get().evaluation == worse.latest


def test_a_baseline_is_marked_and_costs_its_team_no_try(staff):
    user, phase = make_member(), make_phase(quotas=[(1, None)])
    submission = evaluated(user=user, phase=phase)
    act(staff, SUBMISSIONS, "mark_baseline", submission)
    assert Standing.objects.get().is_baseline
    assert make_submission(user=user, phase=phase)
    act(staff, SUBMISSIONS, "unmark_baseline", submission)
    assert not Standing.objects.filter(is_baseline=True).exists()


def test_two_evaluations_of_one_submission_are_one_decision(staff):
    submission = evaluated()
    first = submission.latest
    actions.re_evaluate(submission=submission)
    response = act(staff, EVALUATIONS, "mark_baseline", first, submission.latest)
    assert "1 marked as baseline" in output(response)


def test_each_decision_is_kept_with_who_made_it(staff):
    evaluation = failed()
    act(staff, EVALUATIONS, "retry", evaluation)
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("boss", str(evaluation.pk))
    assert "Queued again" in entry.get_change_message()


def test_the_buttons_of_a_page_lead_back_to_it(staff):
    evaluation = failed()
    page = reverse("admin:submissions_evaluation_change", args=[evaluation.pk])
    text = staff.get(page).content.decode()
    buttons = set(re.findall(r'name="action" value="([a-z_]+)"', text))
    assert buttons == {"retry", "re_evaluate", "refund", "mark_baseline", "hide"}  # none that cannot do anything
    response = act(staff, EVALUATIONS, "retry", evaluation, stay="yes")
    assert response.redirect_chain == [(page, 302)]


# The file


def test_the_file_is_downloaded_as_it_was_sent(staff):
    submission = make_submission()
    response = staff.get(reverse("admin:submissions_submission_file", args=[submission.pk]))
    assert response.status_code == 302
    file = staff.get(response["Location"])
    assert "attachment" in file["Content-Disposition"]
    with default_storage.open(submission.file) as stored:
        assert b"".join(file.streaming_content) == stored.read()
    assert "Downloaded" in LogEntry.objects.get().get_change_message()


# Export


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "＝1+1", " =1"]


@pytest.mark.parametrize("url", [EVALUATIONS, SUBMISSIONS])
def test_an_export_never_runs_as_a_formula(staff, url):
    submission = evaluated()
    row = submission if url == SUBMISSIONS else submission.latest
    for title in FORMULAS:
        Submission.objects.filter(pk=submission.pk).update(title=title)
        response = act(staff, url, "export_csv", row)
        assert response["Content-Disposition"].startswith("attachment")
        (cells,) = csv.DictReader(io.StringIO(response.content.decode(), newline=""))
        assert cells["title"] == f"'{title}"
        assert cells["status"] == "completed"


def test_an_export_holds_the_rounded_public_score_as_a_number(staff):
    submission = evaluated(phase=make_phase(decimals=2))
    response = act(staff, SUBMISSIONS, "export_csv", submission)
    (cells,) = csv.DictReader(io.StringIO(response.content.decode()))
    assert cells["score"] == "0.96"
