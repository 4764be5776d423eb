"""One person with several teams or accounts: bound to the first of a phase, let in by the organisers (T31)."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions.models import AuditEvent, Participation, Submission
from submissions.models.team import team_of
from submissions.participation.requests import accept_rules, ask_to_take_part, decide
from submissions.participation.terms import terms_for
from submissions.people.closing import close_account
from submissions.teams.membership import create_team, join_team, leave_team, return_to_team
from submissions.teams.ownership import remove_member
from submissions.tests.factories import make_member, make_phase, make_staff, make_submission, make_user
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)


def refusal(**sent):
    with pytest.raises(ApiError) as refused:
        make_submission(**sent)
    return refused.value.error_code


@pytest.mark.slow
def test_three_teams_of_one_person_have_one_row_and_one_team_s_tries():
    user, phase = make_user(), make_phase(quotas=[(2, WEEK)])
    first = create_team(user=user, name="first")
    make_submission(user=user, phase=phase)
    for name in ("second", "third"):
        leave_team(user=user)
        create_team(user=user, name=name)
        assert refusal(user=user, phase=phase) == "BOUND_TO_TEAM"
    leave_team(user=user)
    return_to_team(user=user, team_id=first.pk)
    make_submission(user=user, phase=phase)
    assert refusal(user=user, phase=phase) == "QUOTA_EXCEEDED"
    assert set(Submission.objects.filter(phase=phase).values_list("team__name", flat=True)) == {"first"}


def test_another_phase_is_free_to_enter_with_another_team():
    user = make_member()
    make_submission(user=user, phase=make_phase())
    leave_team(user=user)
    create_team(user=user, name="fresh")
    assert make_submission(user=user, phase=make_phase()).team.name == "fresh"


def test_who_was_removed_gets_neither_an_empty_team_nor_what_it_sent_since():
    owner, removed, phase = make_member(), make_user(), make_phase()
    team = team_of(owner)
    join_team(user=removed, code=team.code)
    make_submission(user=removed, phase=phase)
    remove_member(user=owner, member_id=removed.membership.pk)
    secret = make_submission(user=owner, phase=phase)
    leave_team(user=owner)
    removed, owner = (get_user_model().objects.get(pk=user.pk) for user in (removed, owner))
    with pytest.raises(Exception, match="cannot go back"):
        return_to_team(user=removed, team_id=team.pk)
    assert not Submission.objects.visible_to(removed).filter(pk=secret.pk).exists()
    assert return_to_team(user=owner, team_id=team.pk) == team


def test_a_closed_account_keeps_nobody_from_the_team_that_it_left():
    owner, other, phase = make_member(), make_user(), make_phase()
    team = team_of(owner)
    join_team(user=other, code=team.code)
    for sender in (other, owner):
        make_submission(user=sender, phase=phase)
    leave_team(user=other)
    close_account(owner)
    assert return_to_team(user=other, team_id=team.pk) == team


def test_a_person_who_left_a_living_team_cannot_use_its_tries_nor_walk_back_in():
    owner, leaver, phase = make_member(), make_user(), make_phase()
    team = team_of(owner)
    join_team(user=leaver, code=team.code)
    make_submission(user=leaver, phase=phase)
    leave_team(user=leaver)
    with pytest.raises(Exception, match="cannot go back"):
        return_to_team(user=leaver, team_id=team.pk)
    assert refusal(user=leaver, phase=phase) == "BOUND_TO_TEAM"


@pytest.mark.slow
def test_six_accounts_of_one_person_wait_until_the_organisers_have_looked(django_capture_on_commit_callbacks):
    phase = make_phase(needs_approval=True)
    organiser = make_staff("organiser", phase)
    type(organiser).objects.filter(pk=organiser.pk).update(email="boss@example.org")
    accounts = [make_user(f"sock{number}", email=f"sock{number}@example.org") for number in range(6)]
    assert {refusal(user=account, phase=phase) for account in accounts} == {"APPROVAL_NEEDED"}

    with django_capture_on_commit_callbacks(execute=True):
        requests = [ask_to_take_part(phase=phase, user=account, sentence="Let me in.") for account in accounts]
    assert [message.to for message in sent_mails()] == [["boss@example.org"]] * 6
    assert {refusal(user=account, phase=phase) for account in accounts} == {"APPROVAL_NEEDED"}

    with django_capture_on_commit_callbacks(execute=True):
        decide(participation=requests[0], organiser=organiser, is_accepted=True)
        for request in requests[1:]:
            decide(participation=request, organiser=organiser, is_accepted=False)
    make_submission(user=accounts[0], phase=phase)
    assert {refusal(user=account, phase=phase) for account in accounts[1:]} == {"APPROVAL_NEEDED"}
    words = sorted((message.to[0], message.subject.rpartition(" ")[2]) for message in sent_mails()[6:])
    assert words == [("sock0@example.org", "accepted"), *((f"sock{n}@example.org", "declined") for n in range(1, 6))]
    assert sorted(AuditEvent.objects.values_list("action", flat=True)) == ["accept"] + ["decline"] * 5


def test_who_was_declined_does_not_ask_again():
    phase, user = make_phase(needs_approval=True), make_user()
    row = ask_to_take_part(phase=phase, user=user, sentence="Please.")
    decide(participation=row, organiser=make_staff("organiser", phase), is_accepted=False)
    with pytest.raises(ApiError, match="decided"):
        ask_to_take_part(phase=phase, user=user, sentence="Please, please.")


def test_changed_rules_are_asked_again():
    phase, user = make_phase(rules="Be fair."), make_user()
    assert refusal(user=user, phase=phase) == "RULES_NOT_ACCEPTED"
    accept_rules(challenge=phase.challenge, user=user, digest=terms_for(phase, user).rules_digest)
    make_submission(user=user, phase=phase)
    phase.challenge.rules = "Be fair, and publish your code."
    phase.challenge.save()
    assert refusal(user=user, phase=phase) == "RULES_NOT_ACCEPTED"


def test_rules_that_changed_while_they_were_read_are_not_accepted():
    phase, user = make_phase(rules="Be fair."), make_user()
    seen = terms_for(phase, user).rules_digest
    phase.challenge.rules = "Give us your house."
    phase.challenge.save()
    with pytest.raises(ApiError, match="changed"):
        accept_rules(challenge=phase.challenge, user=user, digest=seen)
    assert not Participation.objects.exists()


@pytest.mark.slow
def test_a_team_cannot_outgrow_the_phase_by_changing_its_members():
    owner, phase = make_member(), make_phase(team_size_limit=2)
    make_submission(user=owner, phase=phase)
    second, third = make_user(), make_user()
    join_team(user=second, code=team_of(owner).code)
    make_submission(user=second, phase=phase)
    leave_team(user=second)
    with pytest.raises(Exception, match="full"):
        join_team(user=third, code=team_of(owner).code)


def test_a_team_that_is_too_large_already_does_not_submit():
    owner, phase = make_member(), make_phase(team_size_limit=1)
    join_team(user=make_user(), code=team_of(owner).code)
    assert refusal(user=owner, phase=phase) == "TEAM_TOO_LARGE"


class TestThePhasePage:
    @pytest.mark.slow
    def test_asks_first_and_shows_the_form_after_approval(self, client):
        phase, user = make_phase(slug="p", needs_approval=True, rules="Be fair."), make_user()
        client.force_login(user)
        assert b"Ask to take part" in client.get("/phases/p/").content
        client.post("/phases/p/request/", {"sentence": "I am <b>Ann</b>."})
        page = client.get("/phases/p/").content.decode()
        assert "I am &lt;b&gt;Ann&lt;/b&gt;." in page
        assert 'name="file"' not in page
        decide(participation=Participation.objects.get(), organiser=make_staff("organiser", phase), is_accepted=True)
        page = client.get("/phases/p/").content.decode()
        assert "Be fair." in page
        assert 'name="file"' not in page
        client.post("/phases/p/rules/", {"digest": terms_for(phase, user).rules_digest})
        assert 'name="file"' in client.get("/phases/p/").content.decode()

    @pytest.mark.slow
    def test_names_the_team_that_somebody_is_bound_to(self, client):
        user = make_member(team="Alveoli")
        make_submission(user=user, phase=make_phase(slug="p"), received_at=timezone.now())
        leave_team(user=user)
        create_team(user=user, name="fresh")
        client.force_login(user)
        assert "bound to the team Alveoli" in client.get("/phases/p/").content.decode()
