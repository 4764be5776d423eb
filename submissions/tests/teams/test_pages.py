"""The team page: create, join by code, leave; one team a user (row A10, threats T31, T46)."""

import pytest
from django.db import IntegrityError, transaction

from submissions.models import Membership, Team
from submissions.teams.membership import create_team, join_team, leave_team, team_for
from submissions.tests.factories import make_member, make_phase, make_submission, make_user

pytestmark = pytest.mark.django_db

RTL_OVERRIDE = "\u202e"


@pytest.fixture
def ann(client):
    user = make_user("ann")
    client.force_login(user)
    return user


def create(client, name, **more):
    return client.post("/team/create/", {"name": name, **more})


class TestCreating:
    def test_makes_the_creator_its_owner(self, client, ann):
        assert create(client, "Lung Ranger").status_code == 302
        assert ann.membership.team.name == "Lung Ranger"
        assert ann.membership.is_owner

    @pytest.mark.parametrize(
        "name",
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "=1+1",
            "{{7*7}}",
            "Nodule & Sons",
            "Ångström 🫁",
            "x" * 80,
        ],
    )
    def test_stores_odd_names_as_they_are_and_shows_them_escaped(self, client, ann, name):
        assert create(client, name).status_code == 302
        assert Team.objects.get().name == name
        page = client.get("/team/").content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert ">49<" not in page
        assert name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") in page

    @pytest.mark.parametrize("name", ["", "   ", "\t\n", "x" * 81, "x" * 300, RTL_OVERRIDE, "\u200d", "a\x00b"])
    def test_refuses_empty_long_and_unprintable_names_with_a_sentence(self, client, ann, name):
        answer = create(client, name)
        assert answer.status_code == 400
        assert "errorlist" in answer.content.decode()
        assert not Team.objects.exists()

    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("  Lung    Ranger ", "Lung Ranger"),
            (f"moc.{RTL_OVERRIDE}example", "moc.example"),  # nobody's row may turn the text around it
            ("bell\x07", "bell"),
            ("👩\u200d🔬 lab", "👩\u200d🔬 lab"),
        ],
    )
    def test_stores_what_can_be_shown(self, client, ann, given, stored):
        create(client, given)
        assert Team.objects.get().name == stored

    def test_refuses_a_taken_name(self, client, ann):
        make_member("bob", "Lung Ranger")
        answer = create(client, "Lung Ranger")
        assert answer.status_code == 400
        assert "taken" in answer.content.decode()

    def test_ignores_fields_that_are_not_the_forms(self, client, ann):
        create(client, "Lung Ranger", code="chosen", is_owner="", is_staff="1", user="1", pk="77")
        team = Team.objects.get()
        assert team.code != "chosen"
        assert team.pk != 77
        ann.refresh_from_db()
        assert not ann.is_staff


class TestOneTeamAUser:
    def test_a_second_team_is_refused_whichever_way(self, client, ann):
        other = create_team(user=make_user(), name="Other")
        create(client, "Mine")
        for answer in (create(client, "Second"), client.post("/team/join/", {"code": other.code})):
            assert answer.status_code == 400
        assert Membership.objects.filter(user=ann).count() == 1

    def test_the_database_itself_forbids_it(self, ann):
        mine, other = create_team(user=ann, name="Mine"), create_team(user=make_user(), name="Other")
        assert mine != other
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(user=ann, team=other)

    def test_a_lone_user_gets_a_team_of_one_when_it_is_needed(self, ann):
        assert team_for(ann).name == "ann"
        assert team_for(ann) == team_for(ann)

    def test_a_team_of_one_gets_another_name_when_somebody_took_it(self, ann):
        create_team(user=make_user(), name="ann")
        assert team_for(ann).name == f"ann {ann.pk}"

    def test_nobody_keeps_another_from_submitting_by_taking_the_names_of_the_team_of_one(self, ann):
        for name in ("ann", f"ann {ann.pk}", f"Team {ann.pk}"):
            create_team(user=make_user(), name=name)
        assert team_for(ann).name.startswith(f"Team {ann.pk} ")
        assert team_for(ann).memberships.get().user == ann


class TestJoining:
    def test_by_code_in_any_case_with_spaces(self, client, ann):
        team = create_team(user=make_user(), name="Lung Ranger")
        assert client.post("/team/join/", {"code": f" {team.code.upper()} "}).status_code == 302
        assert ann.membership.team == team
        assert not ann.membership.is_owner

    @pytest.mark.parametrize("code", ["", "nonsense", "x" * 25, "' OR 1=1 --", "<script>"])
    def test_refuses_any_other_code_with_a_sentence(self, client, ann, code):
        answer = client.post("/team/join/", {"code": code})
        assert answer.status_code == 400
        assert "errorlist" in answer.content.decode()

    def test_joining_twice_changes_nothing(self, ann):
        team = create_team(user=ann, name="Mine")
        assert join_team(user=ann, code=team.code) == team
        ann.membership.refresh_from_db()
        assert ann.membership.is_owner

    def test_codes_are_shown_to_members_only(self, client, ann):
        team = create_team(user=make_user(), name="Other")
        assert team.code not in client.get("/team/").content.decode()


class TestLeaving:
    def test_leaves_the_submissions_and_the_longest_standing_member_in_charge(self, client, ann):
        team = create_team(user=ann, name="Mine")
        bob = make_user("bob")
        join_team(user=bob, code=team.code)
        submission = make_submission(user=ann, phase=make_phase())
        client.post("/team/leave/")
        assert not Membership.objects.filter(user=ann).exists()
        bob.membership.refresh_from_db()
        assert bob.membership.is_owner
        submission.refresh_from_db()
        assert submission.team == team

    @pytest.mark.slow
    def test_shows_the_old_teams_submissions_no_longer(self, client, ann):
        submission = make_submission(user=ann, phase=make_phase())
        assert client.get(f"/submissions/{submission.pk}/").status_code == 200
        client.post("/team/leave/")
        assert client.get(f"/submissions/{submission.pk}/").status_code == 404

    def test_does_not_give_tries_back(self, ann):
        """T31: leaving and starting anew is no way around the limit."""
        from django.utils import timezone

        from submissions.phases.quota import allowances

        phase = make_phase(quotas=[(1, None)])
        make_submission(user=ann, phase=phase)
        leave_team(user=ann)
        fresh = create_team(user=ann, name="Fresh")
        assert allowances(phase, fresh, ann, timezone.now())[0].left == 0

    def test_an_empty_team_without_submissions_goes(self, client, ann):
        create_team(user=ann, name="Mine")
        client.post("/team/leave/")
        assert not Team.objects.exists()

    def test_says_so_when_there_is_none_to_leave(self, client, ann):
        assert "You are in no team" in client.post("/team/leave/", follow=True).content.decode()
