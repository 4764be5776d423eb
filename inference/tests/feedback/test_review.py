"""Reviewers decide about feedback, and take it away."""

import csv
import io
import re
import zipfile

import pytest
from django.contrib.auth.models import Permission

from inference.feedback import export
from inference.feedback.files import store
from inference.feedback.statistics import confusion, wilson
from inference.models import Feedback
from inference.tests.samples import picture

pytestmark = pytest.mark.django_db
NAMES = ("adenocarcinoma", "large_cell_carcinoma", "squamous_cell_carcinoma", "normal")


@pytest.fixture
def reviewer(client, staff, folders):
    client.force_login(staff)
    return client


@pytest.fixture
def feedback(folders):
    """Return a maker of feedback, each with a picture of its own unless told."""
    made = []

    def make(predicted="normal", label=None, state="waiting", size=None, **fields) -> Feedback:
        made.append(1)
        stored = store(picture(size or (64 + len(made), 48)), label or predicted, "slice.png")
        return Feedback.objects.create(
            predicted_class=predicted, is_correct=label is None, label=label or predicted, picture=stored.relative_path,
            sha256=stored.sha256, width=64, height=48, state=state, **fields,
        )  # fmt: skip

    return make


PAGES = [
    "/review",
    "/review/1",
    "/review/1/picture",
    "/review/statistics",
    "/review/export.csv",
    "/review/export.zip",
    "/drift",
]


@pytest.mark.parametrize("url", PAGES)
def test_only_staff_finds_these_pages(client, user, feedback, url):
    feedback()
    assert client.get(url)["Location"].startswith("/accounts/login/")
    client.force_login(user)
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("url", PAGES)
def test_staff_does(reviewer, feedback, url):
    pk = feedback().pk
    assert reviewer.get(url.replace("/1", f"/{pk}")).status_code == 200


@pytest.mark.parametrize("url", ["/review", "/review/statistics", "/drift"])
def test_empty_pages_say_what_to_do(reviewer, url):
    assert 'class="empty"' in reviewer.get(url).content.decode()


@pytest.mark.parametrize("state", ["accepted", "rejected", "unsure"])
def test_a_decision_is_kept_and_leads_to_the_next(reviewer, staff, feedback, state):
    first, second = feedback(), feedback()
    answer = reviewer.post(f"/review/{first.pk}?state=waiting", {"state": state, "note": "clear"})
    assert answer["Location"] == f"/review/{second.pk}?state=waiting"
    first.refresh_from_db()
    assert (first.state, first.review_note, first.reviewer) == (state, "clear", staff)
    assert first.reviewed_at is not None


def test_after_the_last_one_the_queue_is_shown(reviewer, feedback):
    only = feedback()
    assert reviewer.post(f"/review/{only.pk}", {"state": "accepted"})["Location"] == "/review?state=waiting"


@pytest.mark.parametrize("state", ["", "maybe", None])
def test_no_other_decision_is_taken(reviewer, feedback, state):
    one = feedback()
    reviewer.post(f"/review/{one.pk}", {"state": state} if state is not None else {})
    one.refresh_from_db()
    assert one.state == "waiting"


def test_back_leads_to_the_decision_just_made(reviewer, feedback):
    first, second = feedback(), feedback()
    reviewer.post(f"/review/{first.pk}", {"state": "accepted"})
    page = reviewer.get(f"/review/{second.pk}").content.decode()
    assert re.search(rf'data-key="k"\s+href="/review/{first.pk}\?', page)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1]), ("state=all", [0, 1, 2, 3]), ("state=accepted", [2]), ("state=all&label=normal", [0, 3]),
        ("state=all&predicted=normal", [0, 1, 3]), ("state=all&verdict=wrong", [1]),
        ("state=nonsense", [0, 1]), ("state=all&label=nonsense&x=1", [0, 1, 2, 3]),
        ("page=999", [0, 1]), ("page=abc", [0, 1]),
    ],
)  # fmt: skip
def test_the_queue_is_filtered(reviewer, feedback, query, expected):
    rows = [
        feedback(), feedback(label="adenocarcinoma"), feedback("large_cell_carcinoma", state="accepted"),
        feedback(state="unsure"),
    ]  # fmt: skip
    shown = list(reviewer.get(f"/review?{query}").context["page"])
    assert shown == [rows[i] for i in expected]


def test_a_picture_is_served_so_that_it_can_only_be_a_picture(reviewer, feedback):
    answer = reviewer.get(f"/review/{feedback().pk}/picture")
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")
    assert answer["Content-Type"] == "image/png"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer["Content-Security-Policy"]


def test_a_picture_that_is_gone_is_a_404(reviewer, feedback):
    one = feedback()
    one.picture_path.unlink()
    assert reviewer.get(f"/review/{one.pk}/picture").status_code == 404
    assert reviewer.get(f"/review/{one.pk}").status_code == 200


def test_the_same_picture_twice_is_pointed_out(reviewer, feedback):
    one, two = feedback(size=(64, 48)), feedback(label="adenocarcinoma", size=(64, 48))
    assert f"feedback {two.pk}" in reviewer.get(f"/review/{one.pk}").content.decode()


def test_notes_are_escaped(reviewer, feedback):
    one = feedback(note='<script>alert(1)</script>"><img onerror=x>{{7*7}}')
    page = reviewer.get(f"/review/{one.pk}").content.decode()
    assert "<script>alert" not in page
    assert "<img onerror" not in page


def test_statistics_count_accepted_feedback_only(reviewer, feedback):
    for _ in range(3):
        feedback(state="accepted")
    feedback("normal", label="adenocarcinoma", state="accepted")
    feedback("normal", label="adenocarcinoma", state="rejected")
    table = reviewer.get("/review/statistics").context["table"]
    assert (table.overall.right, table.overall.total) == (3, 4)
    assert table.counts[0][3] == 1


def test_the_csv_cannot_be_a_formula(reviewer, feedback):
    for note in ("=cmd|'/c calc'!A1", "+1", "-1", "@x", "\tx", "＝1", " =1", "fine, really"):
        feedback(note=note, confidence=-0.5)
    answer = reviewer.get("/review/export.csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["note"][0] for row in rows] == ["'"] * 7 + ["f"]
    assert rows[0]["confidence"] == "-0.5"
    assert tuple(rows[0]) == export.COLUMNS


def test_the_csv_obeys_the_filter(reviewer, feedback):
    feedback(), feedback(state="accepted")
    lines = b"".join(reviewer.get("/review/export.csv?state=accepted").streaming_content).decode().splitlines()
    assert len(lines) == 2


def test_the_zip_holds_accepted_pictures_by_class_and_no_contradiction(reviewer, feedback):
    kept = feedback("normal", label="adenocarcinoma", state="accepted")
    feedback(state="rejected"), feedback(state="waiting")
    feedback(state="accepted", size=(99, 99)), feedback(label="adenocarcinoma", state="accepted", size=(99, 99))
    twice = [feedback(state="accepted", size=(80, 80)) for _ in range(2)]
    data = b"".join(reviewer.get("/review/export.zip").streaming_content)
    with zipfile.ZipFile(io.BytesIO(data)) as folder:
        assert sorted(folder.namelist()) == sorted([kept.picture, twice[0].picture, "manifest.csv"])
        assert len(folder.read("manifest.csv").decode().splitlines()) == 3


def test_decisions_need_csrf(staff, feedback):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff)
    assert strict.post(f"/review/{feedback().pk}", {"state": "accepted"}).status_code == 403


@pytest.mark.parametrize(
    ("right", "total", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_wilsons_interval_has_its_known_values(right, total, low, high):
    assert wilson(right, total) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_confusion_counts_and_ignores_strangers():
    table = confusion([("a", "a"), ("a", "b"), ("b", "b"), ("c", "a")], ("a", "b"))
    assert table.counts == [[1, 1], [0, 1]]
    assert [class_name.accuracy for class_name in table.classes] == [0.5, 1.0]
    assert confusion([], ("a",)).overall.accuracy is None


@pytest.mark.parametrize("many", [False, True])
def test_what_staff_deletes_in_admin_is_gone_from_the_disk_too(
    admin_client, feedback, django_capture_on_commit_callbacks, many
):
    gone, kept = feedback(), feedback()
    listed = "/admin/inference/feedback/"
    with django_capture_on_commit_callbacks(execute=True):
        if many:
            body = {"action": "delete_selected", "_selected_action": [gone.pk], "post": "yes"}
            assert admin_client.post(listed, body).status_code == 302
        else:
            assert admin_client.post(f"{listed}{gone.pk}/delete/", {"post": "yes"}).status_code == 302
    assert list(Feedback.objects.all()) == [kept]
    assert (gone.picture_path.exists(), kept.picture_path.exists()) == (False, True)


def test_who_may_only_look_decides_nothing(client, user, feedback):
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_feedback"))
    client.force_login(user)
    row = feedback()
    assert client.get(f"/review/{row.pk}").status_code == 200
    assert client.post(f"/review/{row.pk}", {"state": "accepted"}).status_code == 404
    assert Feedback.objects.get().state == "waiting"
