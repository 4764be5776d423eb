"""What waits for others or runs for hours has a queue of its own: it never holds up the scoring."""

import io

import pytest
from django.core.management import CommandError, call_command
from django_q.models import OrmQ, Schedule

from lunasite.management.commands.start import Command as Start
from submissions import mail
from submissions.actions.queue import messages_waiting
from submissions.models import Webhook
from submissions.notices.sending import Notice, queue_delivery, tell
from submissions.queues import CSV_CLUSTER, DOCKER_CLUSTER, ERRANDS_CLUSTER
from submissions.tests.factories import evaluated, make_member
from submissions.webhooks import delivery

pytestmark = pytest.mark.django_db
NOTICE = Notice("team", "k", "Hello", "Text", "/team/")


@pytest.fixture
def hook():
    """A webhook whose address nobody listens at."""
    return Webhook.objects.create(user=make_member("ann"), url="http://127.0.0.1:9/", kinds=["team", "scored"])


def queues() -> set[str]:
    return set(OrmQ.objects.values_list("key", flat=True))


def test_mails_and_deliveries_are_errands(hook):
    hook.user.email = "ann@example.org"
    tell(NOTICE, [hook.user])
    assert queues() == {ERRANDS_CLUSTER}
    assert messages_waiting(ERRANDS_CLUSTER) == 2


@pytest.mark.slow
def test_what_is_told_of_a_score_is_an_errand(hook):
    evaluated(user=hook.user)
    told = [message.key for message in OrmQ.objects.all() if message.task["func"].endswith("tell_of_evaluation")]
    assert told == [ERRANDS_CLUSTER]


def test_the_next_try_of_a_delivery_is_an_errand_too(hook, settings):
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1:9"]
    delivery.deliver(str(queue_delivery(hook, NOTICE).pk), 0)
    assert Schedule.objects.get().cluster == ERRANDS_CLUSTER
    hook.deliveries.update(status="failed")
    OrmQ.objects.all().delete()
    delivery.resend(hook.deliveries.get())
    assert queues() == {ERRANDS_CLUSTER}


def test_the_next_try_of_a_mail_is_an_errand_too(monkeypatch):
    def refuse(*arguments):
        raise OSError

    monkeypatch.setattr(mail, "send_mail", refuse)
    mail.deliver("Subject", "Text", "from@example.org", "to@example.org")
    assert Schedule.objects.get().cluster == ERRANDS_CLUSTER


def test_a_site_is_started_with_a_worker_for_errands(settings):
    programs = Start(stdout=io.StringIO())._programs({"bind": "127.0.0.1", "port": 8000, "workers": 1})
    started = [program.env.get("Q_CLUSTER_NAME") for program in programs]
    assert {CSV_CLUSTER, ERRANDS_CLUSTER} <= set(started)


@pytest.mark.parametrize(("engine", "address"), [("slurm", ""), ("docker", "unix:///e")])
def test_a_site_is_started_with_a_worker_for_images_where_it_reaches_an_engine(settings, engine, address):
    settings.EVALUATION_ENGINE, settings.DOCKER_HOST = engine, address
    programs = Start(stdout=io.StringIO())._programs({"bind": "127.0.0.1", "port": 8000, "workers": 1})
    assert DOCKER_CLUSTER in [program.env.get("Q_CLUSTER_NAME") for program in programs]


def test_each_queue_has_its_processes(settings):
    assert settings.Q_CLUSTER["name"] == CSV_CLUSTER
    assert settings.Q_CLUSTER["ALT_CLUSTERS"][ERRANDS_CLUSTER]["workers"] >= 2  # an import and something beside it


def test_errands_are_no_evaluations():
    with pytest.raises(CommandError, match="has none"):
        call_command("work", ERRANDS_CLUSTER, "--one")
