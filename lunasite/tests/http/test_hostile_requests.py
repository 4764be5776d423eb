"""Requests nobody sends by accident: they get a sentence, never a 5xx."""

import pytest
from django.db import DataError
from django.test import Client

from submissions.accounts.tokens import create_token
from submissions.tests.factories import make_member, make_user


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 50_000], ids=["lists", "objects"])
@pytest.mark.parametrize("path", ["/api/v1/auth/token", "/api/v1/submissions", "/api/v1/uploads"])
def test_bottomless_json_is_the_senders_fault(client: Client, path: str, body: str):
    token = create_token(user=make_user(), name="t")[1]
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post(path, body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MALFORMED_REQUEST")


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
