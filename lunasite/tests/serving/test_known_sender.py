"""Only somebody known may send a large body."""

import io

import pytest
from django.contrib.auth import get_user_model
from django.test import Client, RequestFactory
from knox.models import get_token_model

from lunasite.serving import known_sender
from lunasite.serving.known_sender import ANYBODYS_BYTES, MAX_BYTES, judge

pytestmark = pytest.mark.django_db


class Untouchable(io.RawIOBase):
    def read(self, size=-1):
        raise AssertionError("the body is not there yet")


@pytest.fixture(autouse=True)
def _keep_the_tests_connection(monkeypatch):
    """As Django's own test client does: the connection holds the test's transaction."""
    monkeypatch.setattr(known_sender, "close_old_connections", lambda: None)


@pytest.fixture
def user():
    return get_user_model().objects.create_user("ann", password="long enough 1234")


def limit(**headers: str) -> int:
    form = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": "5000000000"}
    sender = judge(RequestFactory()._base_environ(**form, **{"wsgi.input": Untouchable()}, **headers))
    assert sender.is_known == (sender.body_limit == MAX_BYTES)
    return sender.body_limit


def test_a_stranger_may_send_what_anybody_may():
    assert limit() == ANYBODYS_BYTES < MAX_BYTES


def test_a_token_may_send_an_image(user):
    token = get_token_model().objects.create(user)[1]
    assert limit(HTTP_AUTHORIZATION=f"Bearer {token}") == MAX_BYTES


@pytest.mark.parametrize("value", ["Bearer made-up", "Bearer", "Basic YTpi", "Bearer \xff"])
def test_a_token_that_is_none_is_a_stranger(value):
    assert limit(HTTP_AUTHORIZATION=value) == ANYBODYS_BYTES


def test_somebody_signed_in_may_send_an_image(user):
    client = Client()
    client.force_login(user)
    cookie = client.cookies["sessionid"].value
    assert limit(HTTP_COOKIE=f"sessionid={cookie}") == MAX_BYTES
    user.is_active = False
    user.save()
    assert limit(HTTP_COOKIE=f"sessionid={cookie}") == ANYBODYS_BYTES


def test_a_session_that_is_none_is_a_stranger():
    assert limit(HTTP_COOKIE="sessionid=madeup") == ANYBODYS_BYTES


def test_a_query_that_django_refuses_is_left_to_it():
    assert limit(QUERY_STRING="a=1&" * 300) == ANYBODYS_BYTES
