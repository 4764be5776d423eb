"""A member of a team, and the browser they are signed in with."""

import pytest
from django.test import Client

from submissions.tests.factories import make_member


@pytest.fixture
def user():
    return make_member()


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    return client
