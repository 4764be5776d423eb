"""The inbox, the choice of mails, and the unsubscribe link (RFC 8058)."""

import pytest
from django.test import Client

from submissions.models import Message
from submissions.notices.unsubscribe import refused_kinds, unsubscribe_headers, unsubscribe_url
from submissions.tests.factories import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client):
    user = make_member("ann")
    client.force_login(user)
    return user


def make_messages(user, count):
    Message.objects.bulk_create(
        Message(user=user, kind="team", key=f"k{i}", subject=f"Number {i}", text="Text", path="/team/")
        for i in range(count)
    )


class TestTheInbox:
    @pytest.mark.slow
    def test_the_header_counts_what_is_unread(self, client, ann):
        make_messages(ann, 3)
        assert "3<span" in client.get("/team/").content.decode()
        newest = Message.objects.first()
        assert "Number 2" in client.get(f"/messages/{newest.pk}/").content.decode()
        assert "2<span" in client.get("/team/").content.decode()
        client.post(f"/messages/{newest.pk}/unread/")
        assert Message.objects.unread().count() == 3
        client.post("/messages/read/")
        assert "unread</span>" not in client.get("/team/").content.decode()

    def test_takes_few_queries_however_many_there_are(self, client, ann, django_assert_max_num_queries):
        make_messages(ann, 300)
        with django_assert_max_num_queries(12):
            page = client.get("/messages/?page=3").content.decode()
        assert page.count("Number ") == 20

    def test_nobody_reads_another_s(self, client, ann):
        other = make_member("ben")
        make_messages(other, 1)
        assert client.get(f"/messages/{Message.objects.get().pk}/").status_code == 404
        client.post("/messages/read/")
        assert Message.objects.unread().count() == 1

    def test_a_name_is_shown_as_text(self, client, ann):
        Message.objects.create(user=ann, kind="team", key="k", subject="<b>x</b>", text="<script>1</script>")
        for path in ("/messages/", f"/messages/{Message.objects.get().pk}/"):
            page = client.get(path).content.decode()
            assert "&lt;b&gt;x" in page
            assert "<script>1" not in page


class TestTheChoice:
    def test_what_is_not_ticked_is_refused(self, client, ann):
        client.post("/account/mails/", {"kinds": ["scored", "team"]})
        assert refused_kinds(ann) == ["closing_1", "closing_3", "failed", "news"]
        page = client.get("/account/mails/").content.decode()
        assert page.count(" checked") == 2

    def test_an_unknown_kind_changes_nothing(self, client, ann):
        assert client.post("/account/mails/", {"kinds": ["everything"]}).status_code == 400
        assert refused_kinds(ann) == []


class TestUnsubscribing:
    @pytest.fixture
    def path(self, ann, settings):
        return unsubscribe_url(ann, "scored").removeprefix(settings.SITE_URL)

    def test_a_mail_program_does_it_with_one_post_and_no_cookie(self, ann, path):
        program = Client(enforce_csrf_checks=True)
        answer = program.post(path, {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert refused_kinds(ann) == ["scored"]

    def test_a_scanner_that_opens_the_link_changes_nothing(self, ann, path):
        assert "Stop these mails?" in Client().get(path).content.decode()
        assert refused_kinds(ann) == []

    def test_another_person_s_and_another_kind_s_mails_go_on(self, ann, path):
        ben = make_member("ben")
        Client().post(path)
        assert refused_kinds(ben) == []
        assert refused_kinds(ann) == ["scored"]

    def test_a_changed_link_does_nothing(self, ann, path):
        other = path[:20] + ("a" if path[20] != "a" else "b") + path[21:]
        assert Client().post(other).status_code == 404
        assert refused_kinds(ann) == []

    def test_the_headers_name_the_same_address(self, ann, settings):
        headers = unsubscribe_headers(ann, "scored")
        assert headers["List-Unsubscribe"].startswith(f"<{settings.SITE_URL}/unsubscribe/")
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
