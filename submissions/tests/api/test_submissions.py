"""The challenge's API: a CSV in, a score out; refusals that tell what to do; nobody else's data."""

import uuid
from datetime import timedelta
from importlib import import_module

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from submissions import actions
from submissions.accounts.tokens import create_token
from submissions.models import Evaluation, Submission, Team
from submissions.models.team import team_of
from submissions.teams.membership import leave_team
from submissions.tests.factories import (
    GOOD,
    csv_bytes,
    csv_file,
    evaluated,
    make_dataset,
    make_member,
    make_phase,
    make_staff,
    make_submission,
)

pytestmark = pytest.mark.django_db
URL = "/api/v1/submissions"


def client_of(user):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_token(user=user, name='t')[1]}")
    return client


@pytest.fixture
def user():
    return make_member("ann", team="A-team")


@pytest.fixture
def client(user):
    return client_of(user)


@pytest.fixture
def phase():
    return make_phase(slug="p1")


def post(client, data=None, name="predictions.csv", **fields):
    content = csv_bytes() if data is None else data
    return client.post(URL, {"phase": "p1", "file": SimpleUploadedFile(name, content), **fields}, format="multipart")


@pytest.mark.slow
def test_a_csv_is_accepted_and_scored(client, phase):
    answer = post(client, title="first", model_version="1.2")
    assert answer.status_code == 201
    body = answer.json()
    assert (body["submission_type"], body["evaluation_status"], body["scores"]) == ("csv", "pending", {})
    actions.evaluate(evaluation_id=Submission.objects.get().latest.pk, worker="w")
    body = client.get(f"{URL}/{body['id']}").json()
    assert body["evaluation_status"] == "completed"
    assert body["scores"]["public"]["auc"] == 0.9583


@pytest.mark.slow
def test_old_clients_name_the_phase_dataset_id(client, phase):
    answer = client.post(URL, {"dataset_id": "p1", "file": csv_file()}, format="multipart")
    assert answer.status_code == 201


@pytest.mark.parametrize("path", [URL, f"{URL}/", "/api/v1/phases", "/api/v1/phases/"])
def test_paths_work_with_and_without_the_slash(client, phase, path):
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("prefix", ["Bearer", "Token", "bearer"])
def test_both_token_prefixes_are_taken(user, prefix):
    token = create_token(user=user, name="t")[1]
    assert APIClient().get(URL, HTTP_AUTHORIZATION=f"{prefix} {token}").status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Bearer a b", "Token \xff", "Basic abc", "Bearer " + "a" * 5000]
)
def test_without_a_good_token_nothing_is_answered(phase, header):
    answer = APIClient().get(URL, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHORIZED"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_expired_revoked_and_deactivated_tokens_are_refused(user):
    for spoil in (
        lambda token: type(token).objects.filter(pk=token.pk).update(expiry=timezone.now() - timedelta(1)),
        lambda token: token.delete(),
        lambda token: type(user).objects.filter(pk=user.pk).update(is_active=False),
    ):
        token, text = create_token(user=user, name="t")
        spoil(token)
        assert APIClient().get(URL, HTTP_AUTHORIZATION=f"Bearer {text}").status_code == 401


BROKEN = [
    (b"", "CSV_EMPTY"),
    (b"AnnotationID,probability\n", "CSV_EMPTY"),
    (csv_bytes(header="AnnotationID,proba"), "CSV_COLUMNS"),
    (csv_bytes(header="probability,probability"), "CSV_COLUMNS"),
    (csv_bytes(GOOD[:-1]), "CSV_IDS"),
    (csv_bytes() + b"\ncase99,0.5", "CSV_IDS"),
    (csv_bytes() + b"\ncase1,0.5", "CSV_IDS"),
    (csv_bytes([*GOOD[:-1], float("nan")]), "CSV_VALUE"),
    (csv_bytes([*GOOD[:-1], 1.1]), "CSV_VALUE"),
    (csv_bytes().decode().encode("utf-16"), "CSV_ENCODING"),
    (csv_bytes() + b"\x00", "CSV_ENCODING"),
    (b'AnnotationID,probability\n"case0,0.5\n', "CSV_FORMAT"),
    (b"AnnotationID,probability\n=cmd|'/c calc'!A1,0.5\n", "CSV_IDS"),
]


@pytest.mark.parametrize(("data", "code"), BROKEN)
def test_a_broken_csv_is_refused_and_costs_no_try(client, phase, data, code):
    answer = post(client, data)
    assert answer.status_code == 400
    body = answer.json()
    assert (body["status"], body["error_code"], body["details"]["field"]) == ("error", code, "file")
    assert Submission.objects.count() == 0


def test_refused_files_leave_nothing_behind(client, phase, own_files):
    post(client, b"nonsense")
    assert not list((own_files / "files").rglob("*"))


def test_a_truth_value_is_never_told(client, phase):
    body = post(client, csv_bytes([*GOOD[:-1], 7.0])).content
    assert b"truth" not in body
    assert b"label" not in body


def test_a_file_of_ten_megabytes_and_more_is_413_before_it_is_read(client, phase):
    answer = post(client, b"x" * (11 * 2**20))
    assert (answer.status_code, answer.json()["error_code"]) == (413, "FILE_TOO_LARGE")
    assert "a Docker image to POST /api/v1/submissions/docker" in answer.json()["message"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"phase": ""}, "phase"),
        ({"phase": "nope"}, "phase"),
        ({"phase": "no such/slug"}, "phase"),
        ({"title": "x" * 300}, "title"),
    ],
)
def test_a_wrong_field_is_named(client, phase, fields, field):
    answer = post(client, **fields)
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == field


def test_no_file_is_named(client, phase):
    answer = client.post(URL, {"phase": "p1"}, format="multipart")
    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "file")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../../x.csv", "<script>.csv", "a" * 300 + ".csv", "\u202egnp.csv", "😀.csv"])
def test_odd_file_names_never_become_keys(client, phase, name):
    answer = post(client, name=name)
    assert answer.status_code == 201
    key = Submission.objects.get().file
    assert uuid.UUID(key.split("/")[1])
    assert key.endswith("/predictions.csv")


@pytest.mark.slow
def test_extra_fields_change_nothing(client, user, phase):
    other = Team.objects.create(name="other")
    extra = {"score": "1", "team": other.pk, "state": "completed", "is_staff": "1", "is_baseline": "1",
             "try_counts": "0", "evaluation_status": "completed", "user": "1", "id": str(uuid.uuid4())}  # fmt: skip
    body = post(client, **extra).json()
    submission = Submission.objects.get()
    assert (submission.team, submission.is_baseline, submission.try_counts) == (team_of(user), False, True)
    assert body["evaluation_status"] == "pending"
    assert body["id"] != extra["id"]


@pytest.mark.slow
def test_quota_used_up_says_when_the_next_try_is_free(client):
    make_phase(slug="p1", quotas=[(1, timedelta(days=1))])
    assert post(client).status_code == 201
    answer = post(client)
    assert (answer.status_code, answer.json()["error_code"]) == (429, "QUOTA_EXCEEDED")
    assert int(answer["Retry-After"]) > 86000
    assert answer.json()["details"]["next_try_at"]


def test_a_closed_phase_is_403(client):
    make_phase(slug="p1", closes_at=timezone.now() - timedelta(seconds=1))
    answer = post(client)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PHASE_CLOSED")


def test_a_phase_without_csv_says_what_it_takes(client):
    make_phase(slug="p1", accepts_csv=False)
    assert post(client).json()["error_code"] == "TYPE_NOT_ACCEPTED"


def test_an_unverified_address_is_403_where_mails_go_out(client, phase, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answer = post(client)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "EMAIL_NOT_VERIFIED")


@pytest.mark.slow
def test_the_same_idempotency_key_answers_the_first_again(client, phase):
    first, second = (
        client.post(URL, {"phase": "p1", "file": csv_file()}, format="multipart", HTTP_IDEMPOTENCY_KEY="k")
        for _ in "12"
    )
    assert first.json()["id"] == second.json()["id"]
    assert Submission.objects.count() == 1


@pytest.mark.slow
def test_long_keys_that_differ_at_their_end_are_two(client, phase):
    for end in ("a", "b", "a"):
        data = {"phase": "p1", "file": csv_file()}
        assert client.post(URL, data, headers={"Idempotency-Key": "k" * 200 + end}).status_code == 201
    assert Submission.objects.count() == 2


@pytest.mark.slow
@pytest.mark.parametrize("change", ["file", "phase"])
def test_a_key_stands_for_one_file_and_one_phase(client, phase, change):
    make_phase(slug="p2", dataset=phase.dataset)

    def send(**form):
        return client.post(URL, form, format="multipart", HTTP_IDEMPOTENCY_KEY="k")

    assert send(phase="p1", file=csv_file()).status_code == 201
    other = (
        {"phase": "p2", "file": csv_file()}
        if change == "phase"
        else {"phase": "p1", "file": csv_file([0.5] * len(GOOD))}
    )
    answer = send(**other)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert Submission.objects.count() == 1


@pytest.mark.slow
def test_a_key_says_nothing_of_a_team_that_was_left(client, phase):
    user = get_user_model().objects.get()
    form = {"phase": "p1", "file": csv_file()}
    assert client.post(URL, form, format="multipart", HTTP_IDEMPOTENCY_KEY="k").status_code == 201
    leave_team(user=user)
    form = {"phase": "p1", "file": csv_file()}
    answer = client.post(URL, form, format="multipart", HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.slow
def test_a_key_that_loses_a_race_leaves_no_file(client, phase, monkeypatch):
    first = client.post(URL, {"phase": "p1", "file": csv_file()}, format="multipart", HTTP_IDEMPOTENCY_KEY="k").json()
    looked = []

    def not_yet(*args):
        looked.append(args)
        return None if len(looked) == 1 else Submission.objects.get()

    monkeypatch.setattr(import_module("submissions.actions.submit"), "submitted_before", not_yet)
    deleted = []
    monkeypatch.setattr("submissions.storage.files.delete", deleted.append)
    answer = client.post(URL, {"phase": "p1", "file": csv_file()}, format="multipart", HTTP_IDEMPOTENCY_KEY="k")
    assert answer.json()["id"] == first["id"]
    assert len(deleted) == 1


OTHERS = [
    ("get", ""),
    ("post", "/cancel"),
    ("get", "/report"),
    ("get", "/record"),
    ("delete", ""),
    ("patch", ""),
]


@pytest.mark.parametrize(("method", "path"), OTHERS)
def test_another_teams_submission_does_not_exist(client, phase, method, path):
    theirs = make_submission(phase=phase)
    answer = getattr(client, method)(f"{URL}/{theirs.pk}{path}")
    assert answer.status_code == (405 if method in ("delete", "patch") else 404)
    assert answer.json()["status"] == "error"
    assert Submission.objects.get(pk=theirs.pk).latest.status == "pending"


@pytest.mark.slow
def test_lists_hold_only_the_own_teams(client, user, phase):
    make_submission(phase=phase)
    mine = make_submission(user=user, phase=phase)
    body = client.get(URL).json()
    assert set(body) == {"count", "next", "previous", "results"}
    assert [row["id"] for row in body["results"]] == [str(mine.pk)]


@pytest.mark.parametrize(
    ("query", "count"),
    [("phase=p1", 1), ("phase=other", 0), ("status=pending", 1), ("status=completed", 0), ("type=csv", 1),
     ("type=docker", 0), ("ordering=team__owner__password", 1), ("sort=password", 1), ("x__regex=.", 1)],
)  # fmt: skip
def test_filters_are_known_names_only(client, user, phase, query, count):
    make_submission(user=user, phase=phase)
    assert client.get(f"{URL}?{query}").json()["count"] == count


@pytest.mark.parametrize(
    ("query", "field", "choices"),
    [("status=done", "status", "pending, running, completed, failed, cancelled"), ("type=zip", "type", "csv, docker"),
     ("status=PENDING", "status", "pending"), ("phase=%00", "phase", "")],
)  # fmt: skip
def test_a_value_no_list_knows_is_refused_with_the_choices(client, phase, query, field, choices):
    answer = client.get(f"{URL}?{query}")
    body = answer.json()
    assert (answer.status_code, body["error_code"], body["details"]["field"]) == (400, "VALIDATION_ERROR", field)
    assert choices in body["message"]


@pytest.mark.slow
def test_status_is_that_of_the_newest_evaluation(client, user, phase):
    submission = make_submission(user=user, phase=phase)
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    Evaluation.objects.create(submission=submission)
    assert client.get(f"{URL}?status=completed").json()["count"] == 0
    assert client.get(f"{URL}?status=pending").json()["count"] == 1


@pytest.mark.parametrize("query", ["page=-1", "page=abc", "page=99999999999999999999", "page=0"])
def test_odd_pages_are_404(client, phase, query):
    assert client.get(f"{URL}?{query}").status_code == 404


def test_pages_have_a_largest_size(client, phase):
    assert client.get(f"{URL}?page_size=1000000000").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("count", [6, 24])
def test_lists_take_a_constant_number_of_queries(client, user, phase, count, django_assert_max_num_queries):
    for _ in range(count):
        make_submission(user=user, phase=phase)
    actions.evaluate(evaluation_id=Submission.objects.first().latest.pk, worker="w")
    with django_assert_max_num_queries(24):
        client.get(f"{URL}?page_size=50")


@pytest.mark.slow
def test_private_numbers_stay_hidden_until_the_phase_ends(client, user):
    splits = ["public", "private"] * 5
    dataset = make_dataset(truth=[0, 0, 0, 0, 1, 1, 1, 1, 0, 1], splits=splits)
    phase = make_phase(dataset, slug="p1", closes_at=timezone.now() + timedelta(hours=1))
    submission = evaluated(user=user, phase=phase)
    for path in ("", "/report", "/record"):
        assert b"private" not in client.get(f"{URL}/{submission.pk}{path}").content
    type(phase).objects.update(closes_at=timezone.now())
    assert set(client.get(f"{URL}/{submission.pk}").json()["scores"]) == {"public", "private"}


@pytest.mark.slow
def test_scores_have_the_phases_decimals_everywhere(client, user):
    phase = make_phase(slug="p1", decimals=2)
    submission = evaluated(user=user, phase=phase)
    scores = client.get(f"{URL}/{submission.pk}").json()["scores"]["public"]
    assert scores["auc"] == 0.96
    assert all(len(repr(value).split(".")[1]) <= 2 for pair in scores["auc_ci"].values() for value in pair)


def test_the_log_of_the_trial_is_told_and_that_of_the_hidden_run_is_not(client, user, phase):
    submission = make_submission(user=user, phase=phase)
    submission.evaluations.update(smoke_log="loading weights", run_log="hidden words")
    answer = client.get(f"/api/v1/submissions/{submission.pk}")
    assert answer.json()["smoke_log"] == "loading weights"
    assert "hidden words" not in answer.content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("query", ["status=completed", "phase=another", "type=docker"])
def test_filters_of_the_list_hide_no_single_submission(client, user, phase, query):
    scored = evaluated(user=user, phase=phase)
    for path in ("", "/report", "/record"):
        assert client.get(f"{URL}/{scored.pk}{path}?{query}").status_code == 200
    assert client.get(f"{URL}/{scored.pk}/file?{query}").status_code == 302
    waiting = make_submission(user=user, phase=phase)
    assert client.post(f"{URL}/{waiting.pk}/cancel?{query}").json()["evaluation_status"] == "cancelled"


@pytest.mark.slow
def test_cancel_then_cancel_again(client, user, phase):
    submission = make_submission(user=user, phase=phase)
    assert client.post(f"{URL}/{submission.pk}/cancel").json()["evaluation_status"] == "cancelled"
    assert client.post(f"{URL}/{submission.pk}/cancel").status_code == 409


def test_check_tells_what_was_understood_and_costs_nothing(client, phase):
    answer = client.post("/api/v1/phases/p1/check", {"file": csv_file()}, format="multipart")
    assert answer.json()["rows"] == 10
    assert client.post("/api/v1/phases/p1/check", {"file": SimpleUploadedFile("x.csv", b"a")}).status_code == 400
    assert Submission.objects.count() == 0


@pytest.mark.slow
def test_the_template_can_be_sent_back_as_it_is(client, phase):
    template = client.get("/api/v1/phases/p1/template").content
    assert post(client, template).status_code == 201


@pytest.mark.parametrize("address", ["/api/v1/phases/p1/template", "/phases/p1/template.csv"])
def test_a_phase_of_images_has_no_template(client, address):
    make_phase(slug="p1", accepts_csv=False)
    assert client.get(address).status_code == 404


@pytest.mark.slow
def test_a_phase_tells_anybody_the_task_and_a_member_the_tries_left(client, user):
    make_phase(slug="p1", quotas=[(3, timedelta(days=1))])
    assert APIClient().get("/api/v1/phases/p1").json()["tries_left"] is None
    post(client)
    assert client.get("/api/v1/phases/p1").json()["tries_left"] == 2


def test_hidden_phases_exist_for_staff_only(client):
    make_phase(slug="p1", is_hidden=True)
    assert client.get("/api/v1/phases/p1").status_code == 404
    assert post(client).json()["details"]["field"] == "phase"
    assert client_of(make_staff("operator")).get("/api/v1/phases/p1").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/api/v2/x", f"{URL}/not-a-uuid", "/apitest/zzz"])
def test_unknown_paths_are_json_404(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


def test_a_session_needs_the_csrf_token(user, phase):
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(user)
    answer = browser.post(URL, {"phase": "p1", "file": csv_file()}, format="multipart")
    assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize(("method", "status"), [("put", 405), ("patch", 405), ("delete", 405)])
def test_wrong_methods_are_405(client, phase, method, status):
    assert getattr(client, method)(URL).status_code == status


def test_json_where_a_form_is_needed_is_a_clear_error(client, phase):
    answer = client.post(URL, {"phase": "p1", "file": "text"}, format="json")
    assert answer.status_code == 400
