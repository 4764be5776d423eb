"""What the owner of a team decides, and that nobody else does (T81)."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from submissions.models import TeamInvitation
from submissions.models.team import team_of
from submissions.teams import membership, ownership
from submissions.teams.invitations import MAX_A_DAY, accept_invitation, invite, withdraw
from submissions.teams.membership import TeamError, create_team, join_team, leave_team
from submissions.tests.factories import make_member, make_user
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return make_member("ann", team="Alveoli")


@pytest.fixture
def ben(ann):
    ben = make_user("ben", email="ben@example.org")
    join_team(user=ben, code=team_of(ann).code)
    return ben


def link_in(message):
    """Return the path of the invitation in a mail."""
    return urlsplit(message.body.split("Join it here: ")[1].split()[0]).path


def test_a_renewed_code_ends_the_old_one(ann):
    old = team_of(ann).code
    ownership.renew_code(user=ann)
    with pytest.raises(TeamError, match="No team has that code"):
        join_team(user=make_user(), code=old)


@pytest.mark.parametrize("how", ["removed", "left"])
def test_who_is_out_does_not_come_back_by_the_old_code_nor_by_an_old_invitation(client, ann, ben, how):
    code = team_of(ann).code
    invite(user=ann, email=ben.email)
    link = link_in(sent_mails()[-1])
    if how == "removed":
        ownership.remove_member(user=ann, member_id=ben.membership.pk)
    else:
        leave_team(user=ben)
    with pytest.raises(TeamError):
        join_team(user=ben, code=code)
    client.force_login(ben)
    client.post(link)
    assert team_of(ben) is None


def test_a_former_owner_does_not_come_back_by_a_link_to_another_address_of_his_own(client, ann, ben):
    """Joining needs no address, only the link."""
    invite(user=ann, email="ann.at.home@example.org")
    link = link_in(sent_mails()[-1])
    ownership.hand_over(user=ann, member_id=ben.membership.pk)
    ownership.remove_member(user=ben, member_id=ann.membership.pk)
    client.force_login(ann)
    assert client.get(link).status_code == 404
    client.post(link)
    assert team_of(ann) is None


@pytest.mark.parametrize("how", ["leave", "remove", "hand over"])
def test_whoever_changes_members_locks_the_team_first(ann, ben, monkeypatch, how):
    """One that locked its membership first, and one that held the team, would wait for each other."""
    locked = []
    by_django = QuerySet.select_for_update

    def select_for_update(self, *args, **options):
        locked.append(self.model.__name__)
        return by_django(self, *args, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", select_for_update)
    if how == "leave":
        leave_team(user=ben)
    elif how == "remove":
        ownership.remove_member(user=ann, member_id=ben.membership.pk)
    else:
        ownership.hand_over(user=ann, member_id=ben.membership.pk)
    assert locked[0] == "Team"


def test_who_was_removed_meanwhile_leaves_no_team(ann, ben, monkeypatch):
    stale = ben.membership
    ownership.remove_member(user=ann, member_id=stale.pk)
    monkeypatch.setattr(membership, "team_of", lambda user: stale.team)
    with pytest.raises(TeamError, match="You are in no team"):
        leave_team(user=ben)
    assert team_of(ann) is not None


def test_a_handed_over_team_has_one_owner_who_can_remove_the_former(ann, ben):
    ownership.hand_over(user=ann, member_id=ben.membership.pk)
    with pytest.raises(TeamError, match="Only the owner"):
        ownership.remove_member(user=ann, member_id=ben.membership.pk)
    ownership.remove_member(user=ben, member_id=ann.membership.pk)
    assert team_of(ann) is None
    assert list(team_of(ben).memberships.values_list("user__username", "is_owner")) == [("ben", True)]


@pytest.mark.parametrize(
    ("verb", "given"),
    [
        (ownership.renew_code, {}), (ownership.rename, {"name": "Mine"}), (invite, {"email": "a@example.org"}),
        (ownership.remove_member, {"member_id": 1}), (ownership.hand_over, {"member_id": 1}), (withdraw, {"number": 1}),
    ],
)  # fmt: skip
def test_a_member_decides_nothing(ann, ben, verb, given):
    before = team_of(ann).code
    with pytest.raises(TeamError, match="Only the owner"):
        verb(user=ben, **given)
    assert (team_of(ann).name, team_of(ann).code) == ("Alveoli", before)


def test_the_owner_of_one_team_removes_nobody_from_another(ann):
    stranger = make_member("eve")
    with pytest.raises(TeamError, match="not in your team"):
        ownership.remove_member(user=ann, member_id=stranger.membership.pk)


STAFF_NAMES = ["Admin", "Adm1n", "Аdmin", "The Organisers", "lunasite team", "support", "Staff-2", "official"]


@pytest.mark.parametrize("name", STAFF_NAMES)
def test_names_that_look_like_staff_are_refused_for_new_and_renamed_teams(ann, name):
    with pytest.raises(TeamError, match="organisers'"):
        create_team(user=make_user(), name=name)
    with pytest.raises(TeamError, match="organisers'"):
        ownership.rename(user=ann, name=name)


@pytest.mark.parametrize("name", ["Radiology staff of Ulm", "Team 7", "Administration of Lungs", "The Lungs"])
def test_other_names_are_free(ann, name):
    assert ownership.rename(user=ann, name=name).name == name


def test_a_taken_name_stays_with_its_team(ann):
    make_member("eve", team="Bronchi")
    with pytest.raises(TeamError, match="taken"):
        ownership.rename(user=ann, name="bronchi")


class TestInvitations:
    def test_a_link_is_good_once(self, client, ann):
        invite(user=ann, email="new@example.org")
        link = link_in(sent_mails()[-1])
        first, second = make_user("first"), make_user("second")
        client.force_login(first)
        assert "Alveoli" in client.get(link).content.decode()
        client.post(link)
        assert team_of(first) == team_of(ann)
        client.force_login(second)
        assert client.get(link).status_code == 404
        client.post(link)
        assert team_of(second) is None

    @pytest.mark.parametrize("how", ["expired", "withdrawn", "sent again"])
    def test_a_link_ends(self, client, ann, how):
        invitation = invite(user=ann, email="new@example.org")
        link = link_in(sent_mails()[-1])
        if how == "expired":
            TeamInvitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        elif how == "withdrawn":
            withdraw(user=ann, number=invitation.pk)
        else:
            invite(user=ann, email="NEW@example.org")
        user = make_user()
        client.force_login(user)
        client.post(link)
        assert team_of(user) is None

    def test_only_the_digest_is_stored(self, ann):
        invite(user=ann, email="new@example.org")
        secret = sent_mails()[-1].body.split("/team/invitation/")[1].split("/")[0]
        assert secret not in str(TeamInvitation.objects.values().get())

    @pytest.mark.slow
    def test_strangers_are_mailed_a_bounded_number_a_day(self, ann):
        for number in range(MAX_A_DAY):
            withdraw(user=ann, number=invite(user=ann, email=f"a{number}@example.org").pk)
        with pytest.raises(TeamError, match="tomorrow"):
            invite(user=ann, email="more@example.org")
        assert len(sent_mails()) == MAX_A_DAY

    @pytest.mark.slow
    @pytest.mark.parametrize("how", ["team", "member"])
    def test_a_new_team_or_who_has_joined_frees_no_more_of_them(self, ann, how):
        for number in range(MAX_A_DAY):
            email = f"a{number}@example.org"
            invite(user=ann, email=email)
            if how == "member":
                path = link_in(sent_mails()[-1])
                accept_invitation(user=make_user(email=email), secret=path.strip("/").rpartition("/")[2])
        if how == "team":
            leave_team(user=ann)
            create_team(user=ann, name="Bronchi")
        with pytest.raises(TeamError, match="tomorrow"):
            invite(user=ann, email="more@example.org")
        assert sum("Join it here: " in message.body for message in sent_mails()) == MAX_A_DAY

    def test_who_is_in_another_team_leaves_it_first_and_keeps_the_link(self, client, ann):
        invite(user=ann, email="new@example.org")
        link = link_in(sent_mails()[-1])
        eve = make_member("eve")
        client.force_login(eve)
        client.post(link)
        assert team_of(eve).name == "team eve"
        leave_team(user=eve)
        client.post(link)
        assert team_of(eve) == team_of(ann)


def test_the_page_offers_decisions_to_the_owner_only(client, ann, ben):
    client.force_login(ann)
    assert "Make owner" in client.get("/team/").content.decode()
    client.force_login(ben)
    page = client.get("/team/").content.decode()
    assert "Make owner" not in page
    assert "Invite by mail" not in page
