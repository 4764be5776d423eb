"""Requests nobody sends by accident: they get a sentence, never a 5xx."""

import pytest
from django.contrib import admin
from django.db import DataError, models
from django.test import Client, RequestFactory
from django.urls import reverse

from lunasite.wsgi import application
from submissions.accounts.tokens import create_token
from submissions.tests.factories import make_member, make_phase, make_user


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 50_000], ids=["lists", "objects"])
@pytest.mark.parametrize("path", ["/api/v1/auth/token", "/api/v1/submissions", "/api/v1/uploads"])
def test_bottomless_json_is_the_senders_fault(client: Client, path: str, body: str):
    token = create_token(user=make_user(), name="t")[1]
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post(path, body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("version", ["%0a", "%0d%0aX-Evil:1", "%00", "2"])
def test_the_schema_puts_nothing_of_the_query_into_a_header(client: Client, version: str):
    answer = client.get(f"/api/v1/schema?version={version}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == 'inline; filename="lunasite.yaml"'


@pytest.mark.django_db
def test_a_value_the_database_cannot_take_is_a_bad_request(client: Client, monkeypatch: pytest.MonkeyPatch):
    def refuse(request: object) -> None:
        raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")

    monkeypatch.setattr("submissions.models.Phase.objects.visible_to", lambda user: refuse(user))
    client.raise_request_exception = False
    answer = client.get("/phases/x/")
    assert answer.status_code == 400
    assert "NUL" not in answer.content.decode()


@pytest.mark.postgres
@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/submissions/?phase=%00", "/submissions/?phase=a%00b"])
def test_a_nul_in_a_filter_is_a_bad_request(client: Client, path: str):
    client.force_login(make_member())
    client.raise_request_exception = False
    assert client.get(path).status_code == 400


@pytest.mark.django_db
def test_answers_to_somebody_stay_out_of_caches(client: Client):
    token = create_token(user=make_user(), name="t")[1]
    assert "Cache-Control" not in client.get("/api/v1/phases")
    mine = client.get("/api/v1/submissions", headers={"Authorization": f"Bearer {token}"})
    assert mine["Cache-Control"] == "private, no-store"
    client.force_login(make_user())
    assert client.get("/submissions/")["Cache-Control"] == "private, no-store"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/admin/inference/prediction/?at__year=9223372036854775808",
        "/admin/inference/prediction/?at__month=99999999999999999999",
        "/admin/inference/driftrow/?timestamp__year=9223372036854775808",
        "/admin/inference/driftrow/?timestamp__year=99999",
        "/admin/inference/feedback/?at__year=-9223372036854775809",
        "/admin/submissions/submission/?created_at__year=9223372036854775808",
        "/admin/submissions/submission/?created_at__year=-1",
        "/admin/submissions/submission/?created_at__year=99999",
        "/admin/submissions/submission/?created_at__iso_year=0",
        "/admin/submissions/evaluation/?attempt=99999999999999999999",
        "/admin/submissions/evaluation/?id=9223372036854775808",
        "/admin/auth/user/?date_joined__year=9223372036854775808",
        "/admin/auth/user/9223372036854775808/change/",
        "/submissions/?page=9223372036854775808",
        "/api/v1/submissions?page=9223372036854775808",
        "/api/v1/phases/9223372036854775808",
    ],
)
def test_a_number_no_database_can_hold_is_the_senders_fault(client: Client, path: str):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    client.raise_request_exception = False
    assert client.get(path).status_code < 500


OF_DATES = ("__year=-1", "__iso_year=0", "__date=x")
OF_NUMBERS = ("=nan", f"={'9' * 40}")
OF_TEXTS = ("__regex=(", "__range=1")


@pytest.mark.slow
@pytest.mark.django_db
def test_no_filter_of_any_list_of_the_admin_is_our_fault(client: Client):
    """A new model's list is asked at once."""
    client.force_login(make_user(is_staff=True, is_superuser=True))
    client.raise_request_exception = False
    statuses = {}
    for model in admin.site._registry:
        place = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for field in model._meta.concrete_fields:
            is_number = isinstance(field, models.IntegerField | models.FloatField)
            hows = OF_DATES if isinstance(field, models.DateField) else OF_NUMBERS if is_number else OF_TEXTS
            for path in (f"{place}?{field.name}{how}" for how in hows):
                statuses[path] = client.get(path).status_code
    assert {path: status for path, status in statuses.items() if status >= 500} == {}
    assert len(statuses) > 300


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
@pytest.mark.parametrize("method", ["patch", "post", "put", "delete"])
def test_changing_what_is_only_read_is_refused_as_json(path: str, method: str):
    client = Client(enforce_csrf_checks=True)
    answer = getattr(client, method)(path, "{}", content_type="application/json")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer.json()["error_code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("host", "protocol", "status"),
    [(None, "HTTP/1.1", 400), ("", "HTTP/1.1", 400), ("evil.example", "HTTP/1.1", 400), ("localhost", "HTTP/1.1", 200)],
)
def test_a_request_without_a_host_is_refused(host: str | None, protocol: str, status: int):
    environ = RequestFactory().get("/health").environ | {"SERVER_PROTOCOL": protocol, "SERVER_NAME": "127.0.0.1"}
    environ = {key: value for key, value in environ.items() if key != "HTTP_HOST"}
    if host is not None:
        environ["HTTP_HOST"] = host
    started: list[str] = []
    b"".join(application(environ, lambda line, headers, *more: started.append(line)))
    assert int(started[0].split()[0]) == status


@pytest.mark.django_db
def test_a_board_says_that_it_differs_for_htmx(client: Client):
    make_phase(slug="p1")
    whole = client.get("/leaderboards/p1/")
    part = client.get("/leaderboards/p1/", headers={"HX-Request": "true"})
    assert whole.content != part.content
    assert "HX-Request" in whole["Vary"]
    assert "HX-Request" in part["Vary"]
