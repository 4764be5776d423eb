"""The live card: it asks less and less often, and stays as it is while nothing has changed."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from submissions import actions
from submissions.tests.factories import make_member, make_phase, make_submission
from submissions.web.polling import poll_seconds


@pytest.mark.parametrize(
    ("age_s", "every_s"), [(0, 2), (119, 2), (120, 3), (599, 3), (600, 5), (3600, 15), (10**6, 15)]
)
def test_it_asks_less_often_the_longer_it_takes(age_s, every_s):
    now = timezone.now()
    assert poll_seconds(now - timedelta(seconds=age_s), now) == every_s


@pytest.mark.django_db
@pytest.mark.slow
def test_a_card_that_shows_all_there_is_stays_as_it_is(client):
    submission = make_submission(user=make_member("ann"), phase=make_phase(slug="p"))
    client.force_login(submission.user)
    page = client.get(f"/submissions/{submission.pk}/").content.decode()
    address = re.search(r'hx-get="([^"]+)"', page)[1]
    assert 'hx-trigger="every 2s"' in page
    assert client.get(address).status_code == 204
    assert client.get(address.split("?")[0]).status_code == 200
    actions.evaluate(evaluation_id=submission.latest.pk, worker="w")
    over = client.get(address)
    assert over.status_code == 286
    text = over.content.decode()
    assert "hx-get" not in text
    assert 'id="submission-actions" hx-swap-oob="true"' in re.sub(r"\s+", " ", text)
    assert "hx-swap-oob" not in client.get(f"/submissions/{submission.pk}/").content.decode()
