"""A second reader, how far the two agree, the undo of a decision, and the windows of a picture."""

# ruff: noqa: F811 — the fixtures of test_review are named as arguments

import io

import pytest
from django.contrib.auth.models import Group
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from inference import actions
from inference.feedback.agreement import agreement
from inference.feedback.windows import WINDOWS, windowed
from inference.models import Feedback
from inference.tests.feedback.test_review import feedback, reviewer  # noqa: F401  fixtures
from inference.web import review_pages
from inference.web.review_pages import DECIDED
from lunasite.http.errors import ApiError

NAMES = ("accepted", "rejected", "unsure")
TABLES = [
    [("accepted", "accepted")] * 20 + [("rejected", "rejected")] * 9 + [("accepted", "unsure")] * 4,
    [("accepted", "rejected")] * 5 + [("rejected", "accepted")] * 5,
    [("unsure", "accepted"), ("rejected", "rejected"), ("accepted", "accepted"), ("unsure", "unsure")],
]


@pytest.mark.parametrize("pairs", TABLES)
def test_kappa_is_scikit_learns(pairs):
    found = agreement(pairs, NAMES)
    assert found.kappa == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))
    assert found.agreed + found.disputed == found.n == len(pairs)
    assert found.low <= found.agreed / found.n <= found.high


@pytest.mark.parametrize("pairs", [[], [("accepted", "accepted")] * 3])
def test_kappa_is_undefined_where_chance_alone_agrees(pairs):
    assert agreement(pairs, NAMES).kappa is None


@pytest.fixture
def second(db, django_user_model):
    user = django_user_model.objects.create_user("second", "second@example.org", is_staff=True)
    user.groups.set(Group.objects.filter(name="reviewer"))
    return user


@pytest.mark.slow
@pytest.mark.django_db
def test_a_second_reader_decides_unseen_and_the_first_decision_stays(client, staff, second, feedback):
    read, waiting, own = (feedback() for _ in range(3))
    actions.review(feedback=read, reviewer=staff, state="accepted", note="a clear case")
    actions.review(feedback=own, reviewer=second, state="accepted")
    client.force_login(second)
    queue = client.get("/review?reading=second").context["page"]
    assert [row.pk for row in queue] == [read.pk]  # neither what waits, nor what they decided themselves
    page = client.get(f"/review/{read.pk}?reading=second").content.decode()
    assert "a clear case" not in page
    assert ">accepted</span>" not in page
    client.post(f"/review/{read.pk}?reading=second", {"state": "rejected", "note": "motion"})
    read.refresh_from_db()
    assert (read.state, read.reviewer, read.second_state, read.second_reader) == ("accepted", staff, "rejected", second)
    assert [row.pk for row in client.get("/review?reading=disputed").context["page"]] == [read.pk]
    assert list(client.get("/review?reading=second").context["page"]) == []
    assert waiting.state == "waiting"


@pytest.mark.django_db
def test_a_decision_is_judged_by_what_others_decided_meanwhile(staff, second, feedback):
    row = feedback()
    actions.review(feedback=row, reviewer=staff, state="accepted")
    as_seen = Feedback.objects.get(pk=row.pk)
    actions.review(feedback=row, reviewer=second, state="accepted")
    with pytest.raises(ApiError) as refused:
        actions.read_second(feedback=as_seen, reader=second, state="accepted")
    assert refused.value.error_code == "ONE_READER_TWICE"
    row.delete()
    with pytest.raises(ApiError) as refused:
        actions.review(feedback=as_seen, reviewer=staff, state="accepted")
    assert refused.value.status_code == 404


@pytest.mark.django_db
def test_what_readers_dispute_is_not_exported(staff, second, feedback):
    agreed, disputed, alone = (feedback() for _ in range(3))
    for row in (agreed, disputed, alone):
        actions.review(feedback=row, reviewer=staff, state="accepted")
    actions.read_second(feedback=agreed, reader=second, state="accepted")
    actions.read_second(feedback=disputed, reader=second, state="unsure")
    assert set(Feedback.objects.accepted()) == {agreed, alone}
    assert set(Feedback.objects.disputed()) == {disputed}


@pytest.mark.django_db
def test_one_person_is_not_both_readers(client, staff, second, feedback):
    row = feedback()
    with pytest.raises(ApiError, match="Nobody has decided"):
        actions.read_second(feedback=row, reader=second, state="accepted")
    actions.review(feedback=row, reviewer=staff, state="accepted")
    with pytest.raises(ApiError, match="first decision"):
        actions.read_second(feedback=row, reader=staff, state="accepted")
    actions.read_second(feedback=row, reader=second, state="accepted")
    with pytest.raises(ApiError, match="second reader"):
        actions.review(feedback=row, reviewer=second, state="rejected")
    client.force_login(staff)
    answer = client.post(f"/review/{row.pk}?reading=second", {"state": "rejected"}, follow=True)
    assert b"the second reader is somebody else" in answer.content


@pytest.mark.django_db
def test_to_leave_it_waiting_is_no_second_reading(client, staff, second, feedback):
    row = feedback()
    actions.review(feedback=row, reviewer=staff, state="accepted")
    client.force_login(second)
    client.post(f"/review/{row.pk}?reading=second", {"state": "waiting"})
    row.refresh_from_db()
    assert row.second_state == ""
    assert set(DECIDED) == set(NAMES)


@pytest.mark.django_db
def test_the_statistics_tell_how_far_two_readers_agree(reviewer, staff, second, feedback):
    for first, other in TABLES[2]:
        row = feedback()
        actions.review(feedback=row, reviewer=staff, state=first)
        actions.read_second(feedback=row, reader=second, state=other)
    text = reviewer.get("/review/statistics").content.decode()
    assert f"{cohen_kappa_score(*zip(*TABLES[2], strict=True)):.3f}" in text
    assert "3 of 4" in text


@pytest.mark.django_db
def test_the_last_decision_is_undone_once(reviewer, staff, feedback):
    first, last = feedback(), feedback()
    reviewer.post(f"/review/{first.pk}", {"state": "accepted", "note": "one"})
    page = reviewer.post(f"/review/{last.pk}", {"state": "rejected", "note": "two"}, follow=True)
    assert f"Feedback {last.pk}: rejected." in page.content.decode()
    assert reviewer.post("/review/undo")["Location"].startswith(f"/review/{last.pk}?")
    first.refresh_from_db()
    last.refresh_from_db()
    assert (last.state, last.review_note, last.reviewer, last.reviewed_at) == ("waiting", "", None, None)
    assert first.state == "accepted"
    assert b"no decision of yours" in reviewer.post("/review/undo", follow=True).content


@pytest.mark.django_db
def test_an_undo_restores_the_decision_before_and_not_what_others_decided_since(
    reviewer,
    staff,
    second,
    feedback,
):
    row = feedback()
    actions.review(feedback=row, reviewer=second, state="unsure", note="look again")
    row.refresh_from_db()
    before = (row.state, row.review_note, row.reviewer, row.reviewed_at)
    reviewer.post(f"/review/{row.pk}?state=all", {"state": "accepted"})
    reviewer.post("/review/undo")
    row.refresh_from_db()
    assert (row.state, row.review_note, row.reviewer, row.reviewed_at) == before
    reviewer.post(f"/review/{row.pk}?state=all", {"state": "accepted"})
    actions.review(feedback=Feedback.objects.get(pk=row.pk), reviewer=second, state="rejected")
    assert b"no decision of yours" in reviewer.post("/review/undo", follow=True).content
    row.refresh_from_db()
    assert row.state == "rejected"


@pytest.mark.django_db
@pytest.mark.parametrize("is_second", [False, True])
def test_an_undo_restores_what_was_decided_after_the_page_had_read_the_row(
    reviewer, staff, second, feedback, django_user_model, monkeypatch, is_second
):
    """Somebody decides between the page's look at the row and its own decision."""
    row = feedback()
    other = django_user_model.objects.create_user("other", is_staff=True)
    if is_second:
        actions.review(feedback=row, reviewer=other, state="accepted")
    decided = review_pages.decided

    def somebody_first(request, queue, feedback, values):
        meanwhile = Feedback.objects.get(pk=feedback.pk)
        if is_second:
            actions.read_second(feedback=meanwhile, reader=second, state="rejected", note="motion")
        else:
            actions.review(feedback=meanwhile, reviewer=second, state="rejected", note="motion")
        return decided(request, queue, feedback, values)

    monkeypatch.setattr(review_pages, "decided", somebody_first)
    reviewer.post(f"/review/{row.pk}?state=all" + "&reading=second" * is_second, {"state": "unsure"})
    reviewer.post("/review/undo")
    row.refresh_from_db()
    if is_second:
        assert (row.second_state, row.second_note, row.second_reader) == ("rejected", "motion", second)
    else:
        assert (row.state, row.review_note, row.reviewer) == ("rejected", "motion", second)


@pytest.mark.django_db
@pytest.mark.parametrize("is_second", [False, True])
def test_an_undo_makes_nobody_both_readers(reviewer, staff, second, feedback, django_user_model, is_second):
    """Whose decision was replaced may have read the other time since."""
    row = feedback()
    other = django_user_model.objects.create_user("other", is_staff=True)
    actions.review(feedback=row, reviewer=other if is_second else second, state="accepted")
    if is_second:
        actions.read_second(feedback=row, reader=second, state="accepted")
        reviewer.post(f"/review/{row.pk}?state=all&reading=second", {"state": "rejected"})
        row.refresh_from_db()
        actions.review(feedback=row, reviewer=second, state="accepted")
    else:
        reviewer.post(f"/review/{row.pk}?state=all", {"state": "rejected"})
        row.refresh_from_db()
        actions.read_second(feedback=row, reader=second, state="accepted")
    assert b"no decision of yours" in reviewer.post("/review/undo", follow=True).content
    row.refresh_from_db()
    assert row.reviewer != row.second_reader


@pytest.mark.parametrize(("window", "levels"), [("lung", (0, 255, 255)), ("bone", (0, 0, 255))])
def test_a_window_spreads_its_grey_levels(window, levels):
    png = io.BytesIO()
    image = Image.new("L", (3, 1))
    image.putdata([0, 120, 255])
    image.save(png, "PNG")
    png.seek(0)
    shown = Image.open(io.BytesIO(windowed(png, window)))
    assert tuple(shown.tobytes()) == levels


@pytest.mark.django_db
def test_a_picture_comes_in_each_window_and_the_page_zooms(reviewer, feedback):
    row = feedback()
    plain = b"".join(reviewer.get(f"/review/{row.pk}/picture").streaming_content)
    for window in WINDOWS:
        answer = reviewer.get(f"/review/{row.pk}/picture?window={window}")
        assert answer["Content-Type"] == "image/png"
        assert "sandbox" in answer["Content-Security-Policy"]
        assert answer.content != plain
    page = reviewer.get(f"/review/{row.pk}?zoom=4&window=bone").content.decode()
    assert 'class="zoom-4"' in page
    assert f"/review/{row.pk}/picture?window=bone" in page
    odd = reviewer.get(f"/review/{row.pk}?zoom=9&window=x").context
    assert (odd["zoom"], odd["window"]) == ("1", "as sent")
