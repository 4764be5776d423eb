"""Every address × everybody who may ask: a new address must be added here, with its answers (T45)."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from submissions.accounts.tokens import create_token
from submissions.models.team import team_of
from submissions.tests.factories import evaluated, make_member, make_phase, make_user

LOGIN, GONE, NO, BAD, OK = 302, 404, 403, 400, 200


class Row(NamedTuple):
    """Answers to anonymous, another team, the own team, staff without rights, superuser."""

    method: str
    anonymous: int
    other: int
    own: int
    staff: int
    superuser: int
    query: str = ""
    accept: str = ""


def everybody(status: int, method: str = "get", query: str = "") -> Row:
    return Row(method, status, status, status, status, status, query)


def signed_in(status: int, method: str = "get") -> Row:
    return Row(method, LOGIN, status, status, status, status)


def shared_page() -> Row:
    """An address that programs share, asked by a browser."""
    return Row("get", LOGIN, OK, OK, OK, OK, accept="text/html")


def own_page(method: str = "get", status: int = OK) -> Row:
    return Row(method, LOGIN, GONE, status, status, status)


def own_api(method: str = "get", status: int = OK) -> Row:
    return Row(method, 401, GONE, status, status, status)


def token_api(status: int, method: str = "post") -> Row:
    return Row(method, 401, status, status, status, status)


STAFF_PAGE = Row("get", LOGIN, GONE, GONE, OK, OK)
STAFF_ROW = Row("get", LOGIN, GONE, GONE, GONE, GONE)  # there is no row 1; who may not look cannot tell

MATRIX: dict[str, Row] = {
    # Pages
    "home": everybody(OK),
    "guide": everybody(OK),
    "phase": everybody(OK),
    "csv_template": everybody(OK),
    "samples_file": everybody(OK),
    "truth_file": everybody(GONE),  # not published
    "submit_csv": signed_in(BAD, "post"),
    "submit_docker": signed_in(BAD, "post"),
    "submissions": shared_page(),
    "submission": own_page(),
    "submission_progress": own_page(status=286),
    "submission_cancel": own_page("post", LOGIN),
    "submission_choice": own_page("post", LOGIN),
    "account": signed_in(OK),
    "token_create": signed_in(BAD, "post"),
    "token_revoke": Row("post", LOGIN, GONE, LOGIN, GONE, GONE),
    "team": signed_in(OK),
    "team_create": signed_in(BAD, "post"),
    "team_join": signed_in(BAD, "post"),
    "team_leave": signed_in(LOGIN, "post"),
    "team_registry": signed_in(GONE, "post"),  # this site allows no registry
    "team_registry_forget": signed_in(GONE, "post"),
    "download": everybody(GONE),
    "leaderboards": everybody(OK),
    "leaderboard": everybody(OK),
    "leaderboard_history": everybody(OK),
    "leaderboard_compare": signed_in(OK),
    "leaderboard_export": everybody(OK),
    "try_it": everybody(OK),
    "try_slice": everybody(BAD, "post"),
    "try_lesion": signed_in(BAD, "post"),
    "feedback_form": everybody(OK),
    "review": STAFF_PAGE,
    "review_one": STAFF_ROW,
    "review_picture": STAFF_ROW,
    "review_statistics": STAFF_PAGE,
    "review_csv": STAFF_PAGE,
    "review_zip": STAFF_PAGE,
    "drift": STAFF_PAGE,
    # Watching; without a worker the site is not ready
    "health": everybody(OK),
    "live": everybody(200),
    "ready": everybody(503),
    "status": everybody(503),
    "metrics": everybody(OK),
    # Addresses of earlier systems
    "earlier_submissions": token_api(OK, "get"),
    "earlier_submit_docker": token_api(BAD),
    "earlier_leaderboard": everybody(OK, query="?dataset_id=p"),
    "earlier_login": everybody(BAD, "post"),
    "api_token_auth": everybody(BAD, "post"),
    # What the command-line client is made of
    "client": everybody(OK),
    "client_runner": everybody(OK),
    "client_driver": everybody(OK),
    # API
    "api_root": everybody(OK),
    "schema": everybody(OK),
    "api_docs": everybody(OK),
    "api_token": everybody(BAD, "post"),
    "api_phases": everybody(OK),
    "api_phase": everybody(OK),
    "api_check": token_api(BAD),
    "api_template": everybody(OK),
    "api_samples": everybody(OK),
    "api_truth": everybody(GONE),
    "api_trial": token_api(OK, "get"),
    "api_trial_image": token_api(OK, "get"),
    "api_submissions": token_api(OK, "get"),
    "api_submission": own_api(),
    "api_cancel": own_api("post", 409),
    "api_choice": Row("put", 401, GONE, 409, NO, NO),  # only its team chooses; here there is nothing to choose
    "api_report": own_api(),
    "api_record": own_api(),
    "api_record_key": everybody(OK),
    "api_file": own_api(status=302),
    "api_submit_docker": token_api(BAD),
    "api_uploads": token_api(BAD),
    "api_upload_check": token_api(BAD),
    # An upload belongs to whoever began it; staff have no business in it
    "api_upload": Row("get", 401, GONE, OK, GONE, GONE),
    "api_upload_parts": token_api(BAD),
    "api_upload_part": Row("put", 401, GONE, BAD, GONE, GONE),
    "api_upload_complete": Row("post", 401, GONE, BAD, GONE, GONE),
    "api_leaderboard": everybody(OK, query="?phase=p"),
    "api_leaderboard_history": everybody(OK, query="?phase=p&team=team%20own"),
    "api_predict_lesion": token_api(BAD),
    "api_predict_lesion_batch": token_api(BAD),
    "apitest_predict_lesion": token_api(BAD),
    "api_predict_ct": everybody(BAD, "post"),
    "api_predict_ct_batch": everybody(BAD, "post"),
    "api_feedback": everybody(BAD, "post"),
    "predict": everybody(BAD, "post"),
    "feedback": everybody(BAD, "post"),
}


def names_of(patterns: list[Any]) -> set[str]:
    """Return the names of all our own addresses; admin and allauth test their own."""
    names = set()
    for pattern in patterns:
        if isinstance(pattern, URLResolver) and str(pattern.pattern) not in ("admin/", "accounts/"):
            names |= names_of(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            names.add(pattern.name)
    return names


@pytest.fixture
def world(db):
    """One submission of the own team in an open phase, and a resumable upload."""
    own, other = make_member("own"), make_member("other")
    phase = make_phase(slug="p")
    submission = evaluated(user=own, phase=phase)
    token, text = create_token(user=own, name="t")
    upload = Client().post(
        "/api/v1/uploads",
        {"filename": "a.tar", "size": 10},
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )
    return {
        "slug": "p", "pk": submission.pk, "number": 1, "token": "x", "token_key": token.token_key,
        "upload": upload.json()["id"], "team": team_of(own).name,
        "users": {
            "anonymous": None, "other": other, "own": own, "staff": make_user("staff", is_staff=True),
            "superuser": make_user("root", is_staff=True, is_superuser=True),
        },
    }  # fmt: skip


def address(name: str, world: dict[str, Any]) -> str:
    patterns = get_resolver().reverse_dict.getlist(name)
    wanted = patterns[0][0][0][1] if patterns else []
    pk = world["upload"] if name.startswith("api_upload") else world["pk"]
    values = {**world, "pk": 1 if name.startswith("review") else pk}
    return reverse(name, kwargs={key: values[key] for key in wanted})


def ask(name: str, row: Row, client: Client, world: dict[str, Any]) -> int:
    """Return the status of one request, and undo whatever it did."""
    undo = transaction.savepoint()
    headers = {"Accept": row.accept} if row.accept else {}
    status = getattr(client, row.method)(address(name, world) + row.query, headers=headers).status_code
    transaction.savepoint_rollback(undo)
    return status


def test_no_address_is_missing():
    assert names_of(get_resolver().url_patterns) == set(MATRIX)


@pytest.mark.parametrize("role", ["anonymous", "other", "own", "staff", "superuser"])
def test_each_address_answers_each_role_as_it_should(role, world):
    client = Client(raise_request_exception=False)
    if user := world["users"][role]:
        client.force_login(user)
    answers = {name: ask(name, row, client, world) for name, row in MATRIX.items()}
    assert answers == {name: getattr(row, role) for name, row in MATRIX.items()}


def test_a_strangers_post_of_nothing_never_looks_like_success(world):
    """Whatever the address: a program must not take an answer that stored nothing for one that did."""
    client = Client(raise_request_exception=False)
    answers = {name: client.post(address(name, world), headers={"Accept": "*/*"}).status_code for name in MATRIX}
    assert {name: status for name, status in answers.items() if status < 400} == {}
