"""What people are told: the text of each message, who gets it, and that nobody gets it twice."""

import ast
import json
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from django_q.models import OrmQ

from submissions import actions, tasks
from submissions.challenges.news import publish
from submissions.mail import deliver
from submissions.models import Delivery, Evaluation, Message, Participation, Webhook
from submissions.models.team import team_of
from submissions.notices.closing import remind_of_closing
from submissions.notices.news import tell_of_news
from submissions.notices.sending import Notice, tell
from submissions.notices.team import tell_team
from submissions.notices.unsubscribe import refuse
from submissions.teams import ownership
from submissions.teams.membership import join_team, leave_team
from submissions.tests.factories import GOOD, evaluated, make_dataset, make_member, make_phase, make_submission

pytestmark = pytest.mark.django_db
PRIVATE = ["public"] * 5 + ["private"] * 5


def run_queue():
    """Do what a worker does with the queue's messages of this kind; return the functions called."""
    called = []
    for message in OrmQ.objects.order_by("pk"):
        task = message.task
        if task["func"] == "submissions.tasks.tell_of_evaluation":
            tasks.tell_of_evaluation(*task["args"])
        elif task["func"] == "submissions.mail.deliver":
            deliver(*task["args"])
        else:
            continue
        called.append(task["func"])
        message.delete()
    return called


def told(user):
    return [(message.subject, message.text) for message in Message.objects.filter(user=user).order_by("pk")]


@pytest.fixture
def ann(db):
    user = make_member("ann", "Lung Rangers")
    user.email = "ann@example.org"
    user.save()
    return user


@pytest.mark.slow
def test_a_scored_submission_word_by_word(ann):
    submission = evaluated(user=ann, phase=make_phase(slug="warm-up", title="Warm-up"), title="First")
    run_queue()
    assert told(ann) == [
        (
            "Scored: First in Warm-up",
            "The submission First of team Lung Rangers in Warm-up was scored. Its score (AUC, public cases) is 0.9583.",
        )
    ]
    run_queue()
    (found,) = mail.outbox
    assert (found.to, found.subject) == (["ann@example.org"], "[lunasite] Scored: First in Warm-up")
    assert re.sub(r"unsubscribe/\S+", "unsubscribe/SECRET/", found.body) == (
        "Hello ann,\n\n"
        "The submission First of team Lung Rangers in Warm-up was scored. Its score (AUC, public cases) is 0.9583.\n\n"
        f"http://localhost:8000/submissions/{submission.pk}/\n\n"
        "You get this mail because of a setting of your account: A submission of my team was scored. "
        "No more of these: http://localhost:8000/unsubscribe/SECRET/\n"
    )


def test_a_failed_submission_word_by_word(ann):
    submission = make_submission(user=ann, phase=make_phase(title="Warm-up"), title="First")
    evaluation = submission.latest
    Evaluation.objects.filter(pk=evaluation.pk).update(status="running", attempt=1)
    evaluation.refresh_from_db()
    actions.fail(evaluation=evaluation, code="NOT_READY", staff_detail="/secret/path")
    run_queue()
    ((subject, text),) = told(ann)
    assert subject == "Failed: First in Warm-up"
    assert text.startswith("The submission First of team Lung Rangers in Warm-up failed: NOT_READY. ")
    assert "secret" not in text


@pytest.mark.slow
def test_in_a_competition_no_more_is_said_than_the_ladder_shows(ann):
    dataset = make_dataset(truth=[0, 1, 0, 1, 1, 0, 1, 0, 1, 0], splits=PRIVATE)
    phase = make_phase(dataset=dataset, title="Final", ladder_step=0.1)
    values = [0.1, 0.9, 0.2, 0.15, 0.7, 0.6, 0.55, 0.3, 0.2, 0.45]
    first = evaluated(user=ann, phase=phase, values=values, title="First")
    evaluated(user=ann, phase=phase, values=[value / 2 for value in values], title="Second")
    hook = Webhook.objects.create(user=ann, url="https://example.org/", kinds=["scored"])
    run_queue()
    scores = first.latest.scores
    texts = [text for _, text in told(ann)]
    assert f"is {first.latest.shown_score:.1f}." in texts[0]
    assert texts[1].endswith("It is not better than your team's best by 0.1, so no new score is shown.")
    said = " ".join(texts) + " ".join(hook.deliveries.values_list("body", flat=True))
    for split in ("public", "private"):
        assert str(scores[split]["auc"]) not in said.replace(str(first.latest.shown_score), "")
    events = [json.loads(body) for body in hook.deliveries.order_by("created_at").values_list("body", flat=True)]
    assert sorted(str(event["public_score"]) for event in events) == sorted([str(first.latest.shown_score), "None"])
    assert "private" not in json.dumps(events)


@pytest.mark.slow
def test_staff_in_the_team_are_told_no_more_than_the_others(ann):
    ann.is_staff = ann.is_superuser = True
    ann.save()
    dataset = make_dataset(truth=[0, 1, 0, 1, 1, 0, 1, 0, 1, 0], splits=PRIVATE)
    submission = evaluated(user=ann, phase=make_phase(dataset=dataset, title="Final"), values=GOOD)
    run_queue()
    ((_, text),) = told(ann)
    assert f"{submission.latest.scores['private']['auc']:.4f}" not in text


@pytest.mark.slow
def test_every_member_is_told_and_nobody_who_left(ann):
    ben, eve = (make_member(name, f"team {name}") for name in ("ben", "eve"))
    for user in (ben, eve):
        leave_team(user=user)
        join_team(user=user, code=team_of(ann).code)
    leave_team(user=eve)
    Message.objects.all().delete()
    evaluated(user=ann)
    run_queue()
    assert sorted(Message.objects.values_list("user__username", flat=True)) == ["ann", "ben"]


@pytest.mark.slow
def test_a_message_of_the_queue_that_comes_twice_tells_once(ann):
    submission = evaluated(user=ann)
    for _ in range(2):
        tasks.tell_of_evaluation(submission.latest.pk)
    assert Message.objects.count() == 1
    mails = [message for message in OrmQ.objects.all() if message.task["func"] == "submissions.mail.deliver"]
    assert len(mails) == 1


def test_an_evaluation_that_staff_queued_again_is_not_told_of(ann):
    submission = make_submission(user=ann)
    assert tasks.tell_of_evaluation(submission.latest.pk) is None
    assert not Message.objects.exists()


def test_a_refused_kind_is_in_the_inbox_but_not_mailed(ann):
    refuse(ann, "team")
    tell(Notice("team", "k", "Hello", "Text", "/team/"), [ann])
    tell(Notice("news", "k2", "News", "Text", "/"), [ann])
    run_queue()
    assert [found.subject for found in mail.outbox] == ["[lunasite] News"]
    assert Message.objects.count() == 2


def test_a_person_without_an_address_is_told_in_the_inbox(ann):
    ann.email = ""
    tell(Notice("team", "k", "Hello", "Text", "/team/"), [ann])
    assert Message.objects.count() == 1
    assert not OrmQ.objects.exists()


def test_the_queue_keeps_a_mail_with_its_headers_while_the_server_is_away(ann, monkeypatch):
    from django_q.models import Schedule

    def refuse_it(*args, **kwargs):
        raise TimeoutError

    tell(Notice("team", "k", "Hello", "Text", "/team/"), [ann])
    monkeypatch.setattr("submissions.mail.send_mail", refuse_it)
    run_queue()
    monkeypatch.undo()
    deliver(*ast.literal_eval(Schedule.objects.get().args))
    assert mail.outbox[0].extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


class TestTheTeam:
    def test_who_joins_leaves_and_is_removed(self, ann):
        ben, team = make_member("ben", "Ben"), team_of(ann)
        leave_team(user=ben)
        join_team(user=ben, code=team.code)
        assert told(ann)[-1] == ("Team Lung Rangers: ben joined", "News of the team Lung Rangers: ben joined.")
        assert not told(ben)
        member = team.memberships.get(user=ben)
        ownership.hand_over(user=ann, member_id=member.pk)
        assert told(ben)[-1][0] == "Team Lung Rangers: ben is its owner now"
        ownership.rename(user=ben, name="Ward Rangers")
        assert told(ann)[-1][0] == "Team Ward Rangers: it was called Lung Rangers before"
        ownership.remove_member(user=ben, member_id=team.memberships.get(user=ann).pk)
        assert told(ann)[-1][0] == "Team Ward Rangers: ann was removed"
        assert len(told(ben)) == 1

    def test_two_sentences_of_one_day_are_two_messages(self, ann):
        for _ in range(2):
            tell_team(team_of(ann), "hello")
        assert len(told(ann)) == 2


class TestWebhooksHear:
    @pytest.mark.slow
    def test_own_and_team_s_hooks_once_each(self, ann):
        ben = make_member("ben", "Ben")
        leave_team(user=ben)
        join_team(user=ben, code=team_of(ann).code)
        hooks = [
            Webhook.objects.create(user=ann, url="https://a.example/", kinds=["scored"]),
            Webhook.objects.create(team=team_of(ann), url="https://b.example/", kinds=["scored", "failed"]),
        ]
        Webhook.objects.create(user=ann, url="https://c.example/", kinds=["failed"])
        Webhook.objects.create(user=make_member("eve"), url="https://d.example/", kinds=["scored"])
        Webhook.objects.create(user=ann, url="https://e.example/", kinds=["scored"], is_active=False)
        submission = evaluated(user=ann)
        run_queue()
        assert sorted(Delivery.objects.values_list("webhook", flat=True)) == [hook.pk for hook in hooks]
        body = json.loads(Delivery.objects.first().body)
        assert body["submission"] == str(submission.pk)
        assert body["url"] == f"http://localhost:8000/submissions/{submission.pk}/"

    def test_a_team_s_hook_falls_silent_when_its_maker_leaves(self, ann):
        hook = Webhook.objects.create(team=team_of(ann), url="https://b.example/", kinds=["scored"], made_by=ann)
        ben = make_member("ben", "Ben")
        leave_team(user=ben)
        join_team(user=ben, code=team_of(ann).code)
        leave_team(user=ann)
        hook.refresh_from_db()
        assert not hook.is_active

    def test_a_team_s_hook_hears_nothing_of_what_a_member_does_alone(self, ann):
        """The owner of a team must not learn from it in which other challenges a member takes part."""
        Webhook.objects.create(team=team_of(ann), url="https://b.example/", kinds=["news", "closing_1", "team"])
        phase = make_phase(slug="elsewhere", closes_at=timezone.now() + timedelta(hours=5))
        long_ago = timezone.now() - timedelta(days=20)
        Participation.objects.create(user=ann, challenge=phase.challenge, rules_digest="d", rules_accepted_at=long_ago)
        post = publish(challenge=phase.challenge, title="New labels", body="b", author=make_member("org"))
        assert (tell_of_news(post.pk), remind_of_closing()) == (1, 1)
        assert Message.objects.filter(user=ann).count() == 2
        assert not Delivery.objects.exists()

    def test_a_team_s_hook_hears_of_the_challenges_in_which_the_team_takes_part(self, ann):
        hook = Webhook.objects.create(team=team_of(ann), url="https://b.example/", kinds=["news", "closing_1"])
        now = timezone.now()
        phase = make_phase(slug="ours", opens_at=now - timedelta(days=9), closes_at=now + timedelta(hours=5))
        make_submission(user=ann, phase=phase, received_at=now - timedelta(days=2))
        post = publish(challenge=phase.challenge, title="New labels", body="b", author=make_member("org"))
        tell_of_news(post.pk)
        remind_of_closing()
        assert sorted(hook.deliveries.values_list("kind", flat=True)) == ["closing_1", "news"]

    def test_a_new_team_s_hook_hears_nothing_of_the_team_before(self, ann):
        ben, before = make_member("ben", "Ben's"), team_of(ann)
        Webhook.objects.create(team=team_of(ben), url="https://b.example/", kinds=["team"])
        tell_team(before, "ben was removed", also=[ben])
        assert Message.objects.filter(user=ben, kind="team").count() == 1
        assert not Delivery.objects.exists()
