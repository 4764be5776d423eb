"""News of a challenge reaches those who take part, each once."""

import pytest

from submissions.challenges.news import edit, publish, remove
from submissions.models import Message
from submissions.notices.news import tell_of_news
from submissions.tests.factories import make_member, make_phase, make_submission, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def post(db):
    phase = make_phase(slug="final", title="Final")
    make_submission(user=make_member("ann"), phase=phase)
    make_submission(user=make_member("far"), phase=make_phase(slug="other"))
    make_user("nobody")
    return publish(challenge=phase.challenge, title="New labels", body="Case 7 was corrected.", author=make_user("org"))


def test_those_who_take_part_are_told_once_word_by_word(post):
    assert [tell_of_news(post.pk), tell_of_news(post.pk)] == [1, 0]
    message = Message.objects.get()
    assert (message.user.username, message.kind, message.subject) == ("ann", "news", "Final: New labels")
    assert message.text == "Case 7 was corrected."
    assert message.path == post.get_absolute_url()


def test_an_edit_tells_nobody_and_a_removed_post_neither(post):
    tell_of_news(post.pk)
    edit(post=post, title="New", body="b", editor=post.author)
    number = post.pk
    remove(post=post, editor=post.author)
    assert tell_of_news(number) == 0
    assert Message.objects.count() == 1


@pytest.mark.parametrize("part", ["challenge", "phase"])
def test_a_hidden_challenge_tells_nobody_what_its_organisers_prepare(post, part):
    place = post.challenge if part == "challenge" else post.challenge.phases.get()
    type(place).objects.filter(pk=place.pk).update(is_hidden=True)
    assert tell_of_news(post.pk) == 0
