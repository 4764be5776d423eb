"""The ready-made groups, the mark `is_staff` without permissions, and the audit log (T82, T83)."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from submissions.accounts.groups import GROUPS, keep_rights_of_earlier_staff
from submissions.models import AuditEvent, Challenge, Phase, Submission
from submissions.tests.factories import (
    evaluated,
    make_challenge,
    make_dataset,
    make_phase,
    make_staff,
    make_submission,
    make_user,
)  # fmt: skip

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
SHOWN = {"disclosure": "practice", "score_digits": "3", "interval_digits": "2"}
SUBMISSIONS = reverse("admin:submissions_submission_changelist")


def errors_in(answer):
    return answer.context["errors"]


def lines():
    return list(AuditEvent.objects.order_by("pk").values_list("actor_name", "action", "team_name"))


@pytest.fixture
def two():
    """Return an organiser with a submission in the own phase, and one in another's phase."""
    own, foreign = make_phase(slug="own"), make_phase(slug="foreign", is_hidden=True)
    return make_staff("organiser", own, name="olga"), make_submission(phase=own), make_submission(phase=foreign)


def test_each_group_has_exactly_its_permissions():
    for name, wanted in GROUPS.items():
        held = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {".".join(pair) for pair in held} == set(wanted)


def test_the_mark_of_staff_alone_opens_nothing(client):
    submission = evaluated(phase=make_phase(slug="p", is_hidden=True, board_is_public=False))
    client.force_login(make_user(is_staff=True))
    api = f"/api/v1/submissions/{submission.pk}"
    pages = ("/phases/p/", f"/submissions/{submission.pk}/", "/leaderboards/p/", "/review", reverse("drift"))
    for path in (*pages, api, f"{api}/file"):
        assert client.get(path).status_code == 404, path
    assert client.get("/api/v1/submissions").json()["count"] == 0


def test_an_organiser_sees_and_decides_about_the_own_phases_only(client, two):
    olga, own, foreign = two
    client.force_login(olga)
    assert client.get(f"/submissions/{own.pk}/").status_code == 200
    assert client.get(f"/submissions/{foreign.pk}/").status_code == 404
    assert client.get("/phases/foreign/").status_code == 404
    for model, row in (("submission", foreign), ("evaluation", foreign.latest), ("phase", foreign.phase)):
        assert client.get(reverse(f"admin:submissions_{model}_change", args=[row.pk])).status_code == 302, model
        client.post(
            reverse(f"admin:submissions_{model}_changelist"), {"action": "cancel", "_selected_action": [row.pk]}
        )
    assert client.get(reverse("admin:submissions_submission_file", args=[foreign.pk])).status_code == 403
    client.post(SUBMISSIONS, {"action": "cancel", "_selected_action": [own.pk, foreign.pk]})
    assert (own.latest.status, foreign.latest.status) == ("cancelled", "pending")
    assert client.get(reverse("admin:submissions_case_changelist")).status_code == 403


def test_an_organiser_takes_no_dataset_of_another(client, two):
    olga, _, foreign = two
    client.force_login(olga)
    free = make_dataset()
    form = {"title": "Mine", "slug": "mine", "opens_at_0": "2030-01-01", "opens_at_1": "12:00", "decimals": "4",
            "predict_timeout_s": "10", "parallel": "1", "accepts_csv": "on", "batch_slugs": "{}",
            "quotas-TOTAL_FORMS": "0", "quotas-INITIAL_FORMS": "0"}  # fmt: skip
    form |= SHOWN
    url = reverse("admin:submissions_phase_add")
    assert b"not one of the available choices" in client.post(url, form | {"dataset": foreign.phase.dataset_id}).content
    answer = client.post(url, form | {"dataset": free.pk})
    assert answer.status_code == 302, errors_in(answer)
    mine = Phase.objects.get(slug="mine")
    assert list(mine.organisers.all()) == [olga]
    assert mine.challenge.slug == "mine"


def test_an_organiser_joins_no_challenge_of_another(client, two):
    olga, own, foreign = two
    client.force_login(olga)
    make_challenge(slug="taken")
    form = {"title": "Mine", "slug": "mine", "opens_at_0": "2030-01-01", "opens_at_1": "12:00", "decimals": "4",
            "predict_timeout_s": "10", "parallel": "1", "accepts_csv": "on", "batch_slugs": "{}",
            "quotas-TOTAL_FORMS": "0", "quotas-INITIAL_FORMS": "0", "dataset": make_dataset().pk} | SHOWN  # fmt: skip
    url = reverse("admin:submissions_phase_add")
    answer = client.post(url, form | {"challenge": foreign.phase.challenge_id})
    assert b"not one of the available choices" in answer.content
    assert b"choose it, or take another slug" in client.post(url, form | {"slug": "taken"}).content
    assert not Phase.objects.filter(slug__in=["mine", "taken"]).exists()
    assert client.post(url, form | {"challenge": own.phase.challenge_id}).status_code == 302
    assert Phase.objects.get(slug="mine").challenge == own.phase.challenge


def test_an_organiser_makes_a_challenge_and_owns_it_alone(client, two):
    olga, own, foreign = two
    client.force_login(olga)
    answer = client.post(reverse("admin:submissions_challenge_add"), {"title": "New", "slug": "new"})
    assert answer.status_code == 302, errors_in(answer)
    new = Challenge.objects.get(slug="new")
    assert list(new.organisers.all()) == [olga]
    assert AuditEvent.objects.get(action="open").challenge == new
    theirs = reverse("admin:submissions_challenge_change", args=[foreign.phase.challenge_id])
    client.post(theirs, {"title": "Mine now", "slug": "foreign", "organisers": [olga.pk]})
    foreign.phase.challenge.refresh_from_db()
    assert foreign.phase.challenge.title != "Mine now"
    assert not foreign.phase.organisers.exists()
    helper = make_user(is_staff=True)
    page = reverse("admin:submissions_challenge_change", args=[own.phase.challenge_id])
    client.post(page, {"title": "Ours", "slug": "own", "organisers": [olga.pk, helper.pk]})
    assert set(own.phase.organisers.all()) == {olga, helper}


def test_a_reviewer_has_feedback_and_nothing_else(client):
    submission = evaluated()
    client.force_login(make_staff("reviewer"))
    assert client.get("/review").status_code == 200
    assert client.get(reverse("drift")).status_code == 404
    assert client.get(f"/submissions/{submission.pk}/").status_code == 404
    assert client.get(SUBMISSIONS).status_code == 403


def test_who_may_only_look_at_a_submission_does_not_cancel_it(client):
    waiting = make_submission()
    looker = make_user(is_staff=True)
    names = ["view_submission", "all_phases"]
    looker.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(looker)
    assert client.post(f"/api/v1/submissions/{waiting.pk}/cancel").status_code == 403
    client.post(f"/submissions/{waiting.pk}/cancel/")
    assert waiting.latest.status == "pending"
    assert lines() == []


def test_staff_of_an_earlier_version_keep_what_they_saw():
    user, group = make_user(is_staff=True), Group.objects.create(name="our helpers")
    user.user_permissions.add(Permission.objects.get(codename="view_submission"))
    group.permissions.add(Permission.objects.get(codename="change_evaluation"))
    keep_rights_of_earlier_staff()
    assert user.user_permissions.filter(codename="all_phases").exists()
    assert group.permissions.filter(codename="all_phases").exists()


class TestAuditLog:
    def test_every_look_at_another_teams_file_is_a_line_however_it_was_opened(self, client, two):
        olga, own, _ = two
        client.force_login(olga)
        client.get(reverse("admin:submissions_submission_file", args=[own.pk]))
        client.get(f"/api/v1/submissions/{own.pk}/file")
        assert lines() == [("olga", "download", own.team.name)] * 2

    def test_the_own_file_is_none(self, client, two):
        _, own, _ = two
        client.force_login(own.user)
        assert client.get(f"/api/v1/submissions/{own.pk}/file").status_code == 302
        assert lines() == []

    @pytest.mark.parametrize("action", ["refund", "mark_baseline", "hide", "cancel"])
    def test_every_decision_is_a_line(self, client, two, action):
        olga, own, _ = two
        client.force_login(olga)
        client.post(SUBMISSIONS, {"action": action, "_selected_action": [own.pk]})
        assert lines() == [("olga", action, own.team.name)]

    def test_a_decision_that_was_refused_is_none(self, client, two):
        olga, own, _ = two
        client.force_login(olga)
        client.post(SUBMISSIONS, {"action": "re_evaluate", "_selected_action": [own.pk]})
        assert lines() == []

    def test_a_cancel_on_the_page_and_over_the_api_is_a_line(self, client, two):
        olga, own, _ = two
        another = make_submission(phase=own.phase)
        client.force_login(olga)
        client.post(f"/submissions/{own.pk}/cancel/")
        client.post(f"/api/v1/submissions/{another.pk}/cancel")
        assert [action for _, action, _ in lines()] == ["cancel", "cancel"]

    def test_publishing_and_hiding_a_phase_are_lines(self, client):
        phase = make_phase(slug="p", is_hidden=True)
        client.force_login(make_user("boss", is_staff=True, is_superuser=True))
        form = {"title": "A phase", "slug": "p", "dataset": phase.dataset_id, "opens_at_0": "2026-01-01",
                "opens_at_1": "12:00", "decimals": "4", "predict_timeout_s": "10", "parallel": "1",
                "accepts_csv": "on", "board_is_public": "on", "batch_slugs": "{}",
                "quotas-TOTAL_FORMS": "0", "quotas-INITIAL_FORMS": "0"}  # fmt: skip
        url = reverse("admin:submissions_phase_change", args=[phase.pk])
        for more in ({}, {"is_hidden": "on"}):
            assert client.post(url, form | SHOWN | more).status_code == 302
        assert [action for _, action, _ in lines() if action != "change"] == ["publish", "hide"]

    def test_is_searched_by_staff_and_shows_an_organiser_the_own_phases(self, two):
        olga, own, foreign = two
        boss = make_user("boss", is_staff=True, is_superuser=True)
        page = reverse("admin:submissions_auditevent_changelist")
        as_boss, as_olga = Client(), Client()
        as_boss.force_login(boss)
        as_olga.force_login(olga)
        as_boss.post(SUBMISSIONS, {"action": "hide", "_selected_action": [own.pk, foreign.pk]})
        found = as_boss.get(page, {"q": foreign.team.name}).content.decode()
        assert foreign.team.name in found
        assert own.team.name not in found
        assert foreign.team.name not in as_olga.get(page).content.decode()
        assert own.team.name in as_olga.get(page).content.decode()

    def test_nobody_changes_a_line(self, client, two):
        boss = make_user("boss", is_staff=True, is_superuser=True)
        client.force_login(boss)
        client.post(SUBMISSIONS, {"action": "hide", "_selected_action": [two[1].pk]})
        line = AuditEvent.objects.get()
        for verb in ("change", "delete"):
            url = reverse(f"admin:submissions_auditevent_{verb}", args=[line.pk])
            assert client.post(url, {"post": "yes", "action": "x"}).status_code == 403
        assert Submission.objects.get(pk=two[1].pk).is_hidden
