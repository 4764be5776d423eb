"""The form of an image comes back as it was filled in, and comes filled in as an earlier submission was sent."""

import gzip
import re
from html.parser import HTMLParser

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from submissions.models import Submission, Upload
from submissions.models.phase import Quota
from submissions.teams.membership import add_member, team_for
from submissions.tests.factories import make_member, make_phase, make_user
from submissions.tests.image_archives import Member, tar
from submissions.tests.sent_images import IMAGE, image
from submissions.uploads import form_handler, resumable

pytestmark = pytest.mark.django_db
TYPED = {
    "contract": "http", "title": "Third fold", "model_name": "Net", "model_version": "v3", "comment": "deeper",
    "code_url": "https://example.org/code", "paper_url": "https://example.org/paper", "model_endpoint": "/predict",
    "port": "9000", "probability_path": "data.p", "writable_folders": "/data/cache", "bearer_token": "s3cret",
    "file_field": "image", "field_names": "csv", "omit": ["gender"], "adapter": '{"path": "/v2"}',
}  # fmt: skip


class Form(HTMLParser):
    """What a browser would send of a page's image form, its files left out."""

    def __init__(self, page):
        super().__init__()
        self.fields, self.is_inside, self.textarea, self.select, self.notices = {}, False, None, None, []
        self.feed(page.content.decode())

    def handle_starttag(self, tag, attrs):
        at = dict(attrs)
        if tag == "form":
            self.is_inside = "submit-image" in at["action"]
        if not self.is_inside or (tag == "input" and at.get("type") in ("file", "submit")):
            return
        if tag == "input" and at.get("type") in ("checkbox", "radio"):
            if "checked" in at:
                self.fields.setdefault(at["name"], []).append(at["value"])
        elif tag == "input" and at.get("value"):
            self.fields[at["name"]] = [at["value"]]
        elif tag == "textarea":
            self.textarea = at["name"]
        elif tag == "select":
            self.select = at["name"]
        elif tag == "option" and "selected" in at and at["value"]:
            self.fields[self.select] = [at["value"]]

    def handle_data(self, data):
        if self.textarea and data.strip():
            self.fields[self.textarea] = [data.strip("\n")]

    def handle_endtag(self, tag):
        if tag == "textarea":
            self.textarea = None


def missing_from(form, typed=TYPED):
    as_lists = {name: value if isinstance(value, list) else [value] for name, value in typed.items()}
    return {name: value for name, value in as_lists.items() if form.fields.get(name) != value}


@pytest.fixture
def ann(client):
    user = make_member("ann")
    client.force_login(user)
    return user


@pytest.fixture
def phase(ann):
    return make_phase(slug="p")


def submit(client, **fields):
    return client.post("/phases/p/submit-image/", fields)


def text_of(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", "", page.content.decode()))


def complete_upload(user, data=IMAGE, name="model.tar"):
    upload = resumable.begin(user=user, filename=name, size_bytes=len(data))
    Upload.objects.filter(pk=upload.pk).update(is_complete=True)
    return upload


class TestARefusal:
    @pytest.mark.slow
    def test_of_a_used_up_quota_leaves_all_that_was_typed(self, client, ann, phase):
        Quota.objects.create(phase=phase, tries=1)
        submit(client, contract="http", file=image(data=IMAGE + bytes(512)))
        page = submit(client, **TYPED, file=image())
        assert page.status_code == 429
        assert missing_from(Form(page)) == {}
        assert "A browser does not keep a chosen file: choose it again. All else is as you typed it." in text_of(page)

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("notes.zip", b"PK\x03\x04" + bytes(100)),
            ("short.tar", b"no archive"),
            ("long.tar", b"no archive" * 300_000),
            ("empty.tar", b""),
        ],
    )
    def test_of_the_file_leaves_the_fields_that_come_behind_it(self, client, phase, name, data):
        page = submit(client, file=SimpleUploadedFile(name, data), **TYPED)
        assert page.status_code == 400
        assert missing_from(Form(page)) == {}
        assert "choose it again" in text_of(page)
        assert not Submission.objects.exists()

    def test_of_a_file_too_long_to_read_past_says_what_is_lost(self, client, phase, monkeypatch):
        monkeypatch.setattr(form_handler, "READ_PAST_BYTES", 1 << 20)
        page = submit(client, file=SimpleUploadedFile("long.tar", b"no archive" * 300_000), **TYPED)
        assert "fill it in again" in text_of(page)

    @pytest.mark.slow
    def test_of_a_field_leaves_the_others_and_the_file_that_has_arrived(self, client, ann, phase):
        upload = complete_upload(ann)
        page = submit(client, **TYPED | {"port": "99999"}, upload=upload.pk)
        form = Form(page)
        assert page.status_code == 400
        assert missing_from(form, TYPED | {"port": "99999", "upload": str(upload.pk)}) == {}
        assert "Your file model.tar" in text_of(page)
        assert "choose it again" not in text_of(page)

        sent = client.post("/phases/p/submit-image/", form.fields | {"port": "9000"})
        assert sent.status_code == 302, text_of(sent)
        assert Submission.objects.get().original_name == "model.tar"

    @pytest.mark.slow
    def test_keeps_the_file_that_has_arrived_until_it_is_not_wanted(self, client, ann, phase):
        Quota.objects.create(phase=phase, tries=1)
        submit(client, contract="http", file=image(data=IMAGE + bytes(512)))
        upload = complete_upload(ann)
        refused = Form(submit(client, **TYPED, upload=upload.pk))
        assert refused.fields["upload"] == [str(upload.pk)]
        page = client.post("/phases/p/submit-image/", refused.fields | {"without_kept": "1"})
        form = Form(page)
        assert (page.status_code, form.fields.get("upload")) == (200, None)
        assert missing_from(form) == {}

    def test_of_an_upload_that_is_gone_does_not_name_it_again(self, client, ann, phase):
        page = submit(client, **TYPED, upload="6f0c8a52-7cf7-4f0a-9f59-7f3f6a1f8b11")
        form = Form(page)
        assert (page.status_code, form.fields.get("upload")) == (400, None)
        assert missing_from(form) == {}


class TestChangeAndSendAgain:
    @pytest.fixture
    def failed(self, client, phase):
        answer = submit(client, **TYPED, file=image(name="fold3.tar"))
        assert answer.status_code == 302, text_of(answer)
        submission = Submission.objects.get()
        submission.evaluations.update(
            status="failed", failure_code="NOT_READY", failure_stage="smoke", trial={"diagnosis": "Port 9000 …"}
        )
        return submission

    @pytest.mark.slow
    def test_the_page_of_a_failed_trial_leads_to_the_form_as_it_was_sent(self, client, failed):
        page = client.get(f"/submissions/{failed.pk}/").content.decode()
        link = re.search(r'href="([^"]+)">Change and send again', page).group(1).replace("&amp;", "&")
        form_page = client.get(link.partition("#")[0])
        form = Form(form_page)
        assert missing_from(form, TYPED | {"image": str(failed.pk)}) == {}
        assert "Its image fold3.tar is used again and is not sent" in text_of(form_page)

        sent = client.post("/phases/p/submit-image/", form.fields | {"port": "5000"})
        assert sent.status_code == 302, text_of(sent)
        again = Submission.objects.exclude(pk=failed.pk).get()
        assert again.adapter == failed.adapter | {"port": 5000}
        assert again.file == failed.file
        for name in ("title", "comment", "model_endpoint", "writable_folders", "code_url", "model_archive"):
            assert getattr(again, name) == getattr(failed, name)

    @pytest.mark.slow
    def test_a_chosen_file_goes_before_the_earlier_image(self, client, failed):
        form = Form(client.get(f"/phases/p/?send=docker&again={failed.pk}"))
        other = IMAGE + bytes(512)
        sent = client.post("/phases/p/submit-image/", form.fields | {"file": image(data=other, name="fold4.tar")})
        assert sent.status_code == 302
        assert Submission.objects.exclude(pk=failed.pk).get().original_name == "fold4.tar"

    @pytest.mark.slow
    def test_weights_are_named_again(self, client, ann, phase):
        weights = SimpleUploadedFile("model.tar.gz", gzip.compress(tar([Member("weights.txt", b"0.75")])))
        assert submit(client, contract="http", file=image(), model_archive=weights).status_code == 302
        sent = Submission.objects.get()
        form = Form(client.get(f"/phases/p/?send=docker&again={sent.pk}"))
        assert form.fields["model_archive"] == [str(sent.model_archive_id)]

    @pytest.mark.slow
    def test_a_team_mate_sends_it_again_too(self, client, ann, failed):
        ben = make_user("ben")
        add_member(team_for(ann), ben)
        client.force_login(ben)
        page = client.get(f"/phases/p/?send=docker&again={failed.pk}")
        assert missing_from(Form(page)) == {}

    @pytest.mark.slow
    def test_another_team_s_submission_fills_in_nothing(self, client, failed):
        client.force_login(make_member("eve"))
        page = client.get(f"/phases/p/?send=docker&again={failed.pk}")
        assert Form(page).fields.get("title") is None
        assert "Filled in as" not in text_of(page)

    @pytest.mark.parametrize("odd", ["", "x", "6f0c8a52-7cf7-4f0a-9f59-7f3f6a1f8b11"])
    def test_an_odd_id_fills_in_nothing(self, client, phase, odd):
        page = client.get(f"/phases/p/?send=docker&again={odd}")
        assert (page.status_code, Form(page).fields.get("image")) == (200, None)

    @pytest.mark.slow
    def test_an_image_that_was_deleted_is_asked_for(self, client, failed):
        Submission.objects.update(file="")
        page = client.get(f"/phases/p/?send=docker&again={failed.pk}")
        assert missing_from(Form(page)) == {}
        assert Form(page).fields.get("image") is None
        assert "Its image was deleted to make room: choose the file again." in text_of(page)

    def test_is_not_offered_once_the_phase_has_ended(self, client, failed):
        type(failed.phase).objects.update(closes_at=timezone.now())
        assert "Change and send again" not in client.get(f"/submissions/{failed.pk}/").content.decode()

    def test_is_not_offered_while_it_runs(self, client, failed):
        failed.evaluations.update(status="running", failure_code="", failure_stage="")
        assert "Change and send again" not in client.get(f"/submissions/{failed.pk}/").content.decode()
