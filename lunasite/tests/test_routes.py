"""Every address × everybody who may ask: a new address must be added here, with its answers (T45)."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from submissions.accounts.tokens import create_token
from submissions.models import Message, Webhook
from submissions.models.team import team_of
from submissions.tests.factories import evaluated, make_member, make_phase, make_staff, make_user

LOGIN, GONE, NO, BAD, OK = 302, 404, 403, 400, 200


class Row(NamedTuple):
    """Answers to each role: nobody, teams, and the groups of staff.

    staff: the mark alone, without a permission. organiser: of this phase; elsewhere: organiser of another one.
    """

    method: str
    anonymous: int
    other: int
    own: int
    staff: int
    organiser: int
    elsewhere: int
    reviewer: int
    operator: int
    superuser: int
    query: str = ""
    accept: str = ""


ROLES = Row._fields[1:10]


def everybody(status: int, method: str = "get", query: str = "") -> Row:
    return Row(method, *[status] * len(ROLES), query=query)


def signed_in(status: int, method: str = "get", anonymous: int = LOGIN) -> Row:
    return Row(method, anonymous, *[status] * (len(ROLES) - 1))


def shared_page() -> Row:
    """An address that programs share, asked by a browser."""
    return signed_in(OK)._replace(accept="text/html")


def own_page(method: str = "get", status: int = OK, anonymous: int = LOGIN) -> Row:
    """The team's own; organisers of the phase and operators hold `view_submission` for it, the others see nothing."""
    return Row(method, anonymous, GONE, status, GONE, status, GONE, GONE, status, status)


def own_api(method: str = "get", status: int = OK) -> Row:
    return own_page(method, status, anonymous=401)


def token_api(status: int, method: str = "post") -> Row:
    return signed_in(status, method, anonymous=401)


def mine_alone(method: str, anonymous: int, own: int) -> Row:
    """What belongs to one person: staff have no business in it."""
    return Row(method, anonymous, GONE, own, *[GONE] * 6)


# view_feedback is the reviewer's, view_driftrow the operator's.
REVIEW_PAGE = Row("get", LOGIN, GONE, GONE, GONE, GONE, GONE, OK, GONE, OK)
DRIFT_PAGE = Row("get", LOGIN, GONE, GONE, GONE, GONE, GONE, GONE, OK, OK)
# Organisers and superusers hold change_challenge; the phase's own organiser alone reaches what is of its challenge.


def organise(method: str, status: int) -> Row:
    """A page that every organiser may open."""
    return Row(method, LOGIN, GONE, GONE, GONE, status, status, GONE, GONE, status)


def own_challenge(method: str, status: int) -> Row:
    """A page of one challenge: its organisers and superusers."""
    return Row(method, LOGIN, GONE, GONE, GONE, status, GONE, GONE, GONE, status)


REVIEW_ROW = Row("get", LOGIN, *[GONE] * 8)  # there is no row 1; who may not look cannot tell

# Of the challenge's organisers; operators decide about no challenge's texts, but about the site's own pages.
ORGANISERS_PAGE = Row("get", LOGIN, GONE, GONE, GONE, OK, GONE, GONE, GONE, OK)
OPERATORS_PAGE = Row("get", LOGIN, GONE, GONE, GONE, GONE, GONE, GONE, OK, OK)

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
    # The challenge; here it has one phase, no rules, no news and no pictures
    "search": everybody(OK, query="?q=phase"),
    "news_feed": everybody(OK),
    "challenge": everybody(OK),
    "challenge_rules": everybody(GONE),
    "challenge_news": everybody(OK),
    "challenge_feed": everybody(OK),
    "challenge_news_write": ORGANISERS_PAGE,
    "challenge_news_post": everybody(GONE),
    "challenge_news_edit": signed_in(GONE),
    "challenge_submit": everybody(LOGIN),
    "challenge_boards": everybody(LOGIN),
    "challenge_pictures": ORGANISERS_PAGE,
    "challenge_image": everybody(GONE),
    "challenge_edit": ORGANISERS_PAGE,
    "challenge_versions": ORGANISERS_PAGE,
    "challenge_version": signed_in(GONE),
    # The site's own pages
    "site_page": everybody(OK),
    "site_page_edit": OPERATORS_PAGE,
    "site_page_versions": signed_in(GONE),  # nobody has written it
    "site_page_version": signed_in(GONE),
    "submission_cases": own_page(),
    "submission_case": own_page()._replace(query="?id=case3"),
    "submission_differences": own_page(),
    "submission_report": own_page(),
    "submission_method": own_page("post", LOGIN),
    "account": signed_in(OK),
    "token_create": signed_in(LOGIN, "post"),  # no fresh sign-in: asked for the password first
    "token_revoke": mine_alone("post", LOGIN, LOGIN),
    "team": signed_in(OK),
    "team_create": signed_in(BAD, "post"),
    "team_join": signed_in(BAD, "post"),
    "team_leave": signed_in(LOGIN, "post"),
    "team_return": signed_in(LOGIN, "post"),
    "team_code": signed_in(LOGIN, "post"),
    "team_rename": signed_in(BAD, "post"),
    "team_remove": signed_in(LOGIN, "post"),
    "team_hand_over": signed_in(LOGIN, "post"),
    "team_invite": signed_in(BAD, "post"),
    "team_withdraw": signed_in(LOGIN, "post"),
    "team_invitation": signed_in(GONE),
    "participation_ask": signed_in(GONE, "post"),  # this phase asks for neither approval nor rules
    "participation_rules": signed_in(GONE, "post"),
    "team_registry": signed_in(GONE, "post"),  # this site allows no registry
    "team_registry_forget": signed_in(GONE, "post"),
    "organise": organise("get", OK),
    "organise_columns": organise("get", OK),
    "organise_challenge_new": organise("post", BAD),
    "organise_challenge": own_challenge("get", OK),
    "organise_challenge_edit": own_challenge("post", BAD),
    "organise_challenge_publish": own_challenge("post", LOGIN),
    "organise_challenge_people": own_challenge("post", LOGIN),
    "organise_challenge_request": own_challenge("post", GONE),
    "organise_phase_new": own_challenge("post", BAD),
    "organise_phase": own_challenge("post", BAD),
    "organise_phase_end": own_challenge("post", LOGIN),
    "organise_phase_preview": own_challenge("get", OK),
    "dataset_import_new": organise("post", BAD),
    "organise_dataset": Row("get", LOGIN, GONE, GONE, GONE, OK, GONE, GONE, OK, OK),  # view_dataset, and of this phase
    # Nobody's, and the phase's own organiser organises every phase over it; an operator publishes nothing.
    "organise_dataset_publish": Row("post", LOGIN, GONE, GONE, GONE, LOGIN, GONE, GONE, GONE, LOGIN),
    "dataset_import": organise("get", GONE),
    "dataset_import_progress": organise("get", GONE),
    "dataset_import_again": organise("post", GONE),
    "dataset_import_stop": organise("post", GONE),
    "download": everybody(GONE),
    # What a person is told, and the person's own data
    "inbox": signed_in(OK),
    "message": mine_alone("get", LOGIN, OK),
    "messages_read": signed_in(LOGIN, "post"),
    "message_unread": mine_alone("post", LOGIN, LOGIN),
    "mails": signed_in(OK),
    "unsubscribe": everybody(GONE),  # no link of this site
    "webhooks": signed_in(OK),
    "webhook_deliveries": mine_alone("get", LOGIN, OK),
    "webhook_switch": mine_alone("post", LOGIN, LOGIN),
    "webhook_delete": mine_alone("post", LOGIN, LOGIN),
    "webhook_test": mine_alone("post", LOGIN, LOGIN),
    "webhook_resend": mine_alone("post", LOGIN, LOGIN),
    "uploads": signed_in(OK),
    "upload_delete": signed_in(GONE, "post"),  # there is none of this number
    "profile": signed_in(OK),
    "own_data": signed_in(OK),
    "account_export": signed_in(OK, "post"),
    "account_close": signed_in(BAD, "post"),  # without the password
    "person": everybody(GONE),  # who shows no profile
    "leaderboards": everybody(OK),
    "leaderboard": everybody(OK),
    "leaderboard_history": everybody(OK),
    "leaderboard_compare": signed_in(OK),
    "leaderboard_export": everybody(OK),
    "leaderboard_citation": everybody(GONE),  # the phase has not ended
    "embed": everybody(OK),
    "badge": everybody(OK),
    "try_it": everybody(OK),
    "try_slice": everybody(BAD, "post"),
    "try_lesion": signed_in(BAD, "post"),
    "feedback_form": everybody(OK),
    "review": REVIEW_PAGE,
    "review_one": REVIEW_ROW,
    "review_picture": REVIEW_ROW,
    "review_undo": REVIEW_PAGE._replace(method="post", reviewer=LOGIN, superuser=LOGIN),  # there is nothing to undo
    "review_statistics": REVIEW_PAGE,
    "review_csv": REVIEW_PAGE,
    "review_zip": REVIEW_PAGE,
    "drift": DRIFT_PAGE,
    # Watching; without a worker the site is not ready
    "health": everybody(OK),
    "live": everybody(200),
    "ready": everybody(503),
    "status": everybody(503),
    "metrics": everybody(OK),
    # Crawlers
    "robots": everybody(OK),
    "sitemap": everybody(OK),
    "favicon": everybody(LOGIN),  # a redirect to the static file
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
    # The Data page of a challenge; there is no file 1
    "challenge_data": everybody(OK),
    "data_file": everybody(GONE),
    "data_file_add": Row("post", LOGIN, GONE, GONE, GONE, BAD, GONE, GONE, GONE, BAD),
    "data_file_withdraw": signed_in(GONE, "post"),
    # Cases to look at: this phase has no images; lunasite/tests/cases walks who may see which
    "case_page": everybody(GONE),
    "case_slice": everybody(GONE),
    "case_volume": everybody(GONE),
    "starter_kit": everybody(OK),
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
    "api_choice": Row(
        "put", 401, GONE, 409, GONE, NO, GONE, GONE, NO, NO
    ),  # only its team chooses; here there is nothing to choose
    "api_report": own_api(),
    "api_full_report": own_api(),
    "api_record": own_api(),
    "api_record_key": everybody(OK),
    "api_file": own_api(status=302),
    "api_submit_docker": token_api(BAD),
    "api_uploads": token_api(BAD),
    "api_upload_check": token_api(BAD),
    # An upload belongs to whoever began it; staff have no business in it
    "api_upload": mine_alone("get", 401, OK),
    "api_upload_parts": token_api(BAD),
    "api_upload_part": mine_alone("put", 401, BAD),
    "api_upload_complete": mine_alone("post", 401, BAD),
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
    return make_world()


def make_world() -> dict[str, Any]:
    """Write one submission of the own team in an open phase, and a resumable upload; return what addresses name."""
    own, other = make_member("own"), make_member("other")
    phase, another = make_phase(slug="p"), make_phase(slug="another")
    submission = evaluated(user=own, phase=phase)
    token, text = create_token(user=own, name="t")
    upload = Client().post(
        "/api/v1/uploads",
        {"filename": "a.tar", "size": 10},
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )
    Message.objects.create(pk=1, user=own, kind="team", key="k", subject="s", text="t")
    hook = Webhook.objects.create(pk=1, user=own, url="https://example.org/", kinds=["team"])
    delivery = hook.deliveries.create(kind="team", key="k", body="{}", status="failed")
    return {
        "delivery": delivery.pk, "begun": delivery.pk, "dataset": phase.dataset_id,
        "slug": "p", "pk": submission.pk, "number": 1, "token": "x", "secret": "x", "token_key": token.token_key,
        "upload": upload.json()["id"], "team": team_of(own).name,
        "users": {
            "anonymous": None, "other": other, "own": own, "staff": make_user("staff", is_staff=True),
            "organiser": make_staff("organiser", phase), "elsewhere": make_staff("organiser", another),
            "reviewer": make_staff("reviewer"), "operator": make_staff("operator"),
            "superuser": make_user("root", is_staff=True, is_superuser=True),
        },
    }  # fmt: skip


def named(address: str) -> str:
    """Return what an address of this name calls `name`: a text, a person or a file."""
    names = {"site_page": "terms", "challenge": "overview", "person": "own", "data_file": "a.zip"}
    return next((value for start, value in names.items() if address.startswith(start)), "x")


def address(name: str, world: dict[str, Any]) -> str:
    patterns = get_resolver().reverse_dict.getlist(name)
    wanted = patterns[0][0][0][1] if patterns else []
    pk = world["upload"] if name.startswith("api_upload") else world["pk"]
    values = {
        "secret": "x",
        "name": named(name),
        "public_id": "case0",
        "dataset": 1,
        "delivery": uuid.UUID(int=1),
        "begun": pk,
        **world,
        "pk": 1 if name.startswith(("review", "data_file")) else pk,
    }
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


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_each_address_answers_each_role_as_it_should(role, world):
    client = Client(raise_request_exception=False)
    if user := world["users"][role]:
        client.force_login(user)
    answers = {name: ask(name, row, client, world) for name, row in MATRIX.items()}
    assert answers == {name: getattr(row, role) for name, row in MATRIX.items()}


@pytest.mark.slow
def test_a_strangers_post_of_nothing_never_looks_like_success(world):
    """Whatever the address: a program must not take an answer that stored nothing for one that did."""
    client = Client(raise_request_exception=False)
    answers = {name: client.post(address(name, world), headers={"Accept": "*/*"}).status_code for name in MATRIX}
    assert {name: status for name, status in answers.items() if status < 400} == {}
