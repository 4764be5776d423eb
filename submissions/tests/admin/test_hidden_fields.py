"""What no page of the admin shows, no list tells either: a filter in the address answers questions (T102)."""

import pytest
from allauth.mfa.models import Authenticator
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from submissions import mail
from submissions.models import Dataset, Participation, Team
from submissions.models.team import team_of
from submissions.tests.factories import make_dataset, make_member, make_phase, make_staff, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LINK = "http://localhost/accounts/password/reset/key/1-abc/"


@pytest.fixture
def operator():
    client = Client()
    client.force_login(make_staff("operator"))
    return client


@pytest.fixture
def superuser():
    client = Client()
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("field", ["secret_key", "nonce"])
def test_a_secret_of_a_dataset_is_not_read_letter_by_letter(operator, field):
    dataset = make_dataset()
    secret = getattr(Dataset.objects.get(pk=dataset.pk), field)
    for start in (secret[:1], "-"):
        answer = operator.get(f"/admin/submissions/dataset/?{field}__startswith={start}")
        assert answer.status_code == 400


def test_a_label_is_not_asked_of_the_list_of_cases(superuser):
    make_dataset()
    assert superuser.get("/admin/submissions/case/?truth=1").status_code == 400
    assert superuser.get("/admin/submissions/case/?split__exact=public").status_code == 200


def test_the_code_of_a_team_is_asked_only_by_who_may_read_it(superuser):
    make_member("ann")
    viewer = make_user("viewer", is_staff=True)
    viewer.user_permissions.add(*_permissions("view_team"))
    client = Client()
    client.force_login(viewer)
    code = Team.objects.get().code
    assert client.get(f"/admin/submissions/team/?code__startswith={code[:2]}").status_code == 400
    assert superuser.get(f"/admin/submissions/team/?code__startswith={code[:2]}").status_code == 200


def test_a_second_factor_is_not_read_letter_by_letter(operator):
    assert operator.get("/admin/mfa/authenticator/?data__icontains=a").status_code == 400
    assert operator.get("/admin/mfa/authenticator/?type__exact=totp").status_code == 200


def test_an_address_is_not_read_letter_by_letter_by_the_search(client, operator):
    phase, ann = make_phase(), make_user("ann", email="ann.secret@example.org")
    Participation.objects.create(challenge=phase.challenge, user=ann, status="requested", request="Hello")
    Authenticator.objects.create(user=ann, type="totp", data={})
    client.force_login(make_staff("organiser", phase))
    for browser, path, known in (
        (client, "/admin/submissions/participation/", ("ann", "Hello")),
        (operator, "/admin/mfa/authenticator/", ("ann", ann.email)),  # of who has lost the factor, and writes so
    ):
        assert [len(browser.get(path, {"q": word}).context["cl"].result_list) for word in known] == [1, 1]
        assert len(browser.get(path, {"q": "ann.secret@"}).context["cl"].result_list) == 0


def test_the_links_of_our_own_pages_still_filter(superuser):
    ann = make_member("ann")
    for link in (
        f"submission/?team__id__exact={team_of(ann).pk}", "submission/?phase__id__exact=1",
        "phase/?challenge__id__exact=1", "evaluation/?status__exact=failed&fault=platform",
        "evaluation/?attempts=many", "evaluation/?by_worker=w", "evaluation/?age=hour", "evaluation/?code=TIMEOUT",
        "participation/?status__exact=requested", "participation/?challenge__id__exact=1", "case/?dataset__id__exact=1",
    ):  # fmt: skip
        assert superuser.get(f"/admin/submissions/{link}").status_code == 200, link


def test_who_looks_after_the_queue_reads_no_mail_in_it(operator):
    """A mail waits with the link that resets a password; an operator may not edit accounts."""
    mail.queue_mail(EmailMessage("Reset", LINK, "s@example.org", ["boss@example.org"]))
    mail._later(0, ("Reset", LINK, "s@example.org", "boss@example.org", 1, {}))
    now = timezone.now()
    ran = {"func": mail.QUEUED_MAIL, "args": ("Reset", LINK), "started": now, "stopped": now}
    Success.objects.create(id="a", name="sent", success=True, **ran)
    Failure.objects.create(id="b", name="lost", success=False, result="KeyError", **ran)
    for model, row in (("ormq", OrmQ), ("schedule", Schedule), ("success", Success), ("failure", Failure)):
        for path in ("", f"{row.objects.latest('pk').pk}/change/"):
            answer = operator.get(f"/admin/django_q/{model}/{path}")
            assert answer.status_code == 200, (model, path)
            assert "/reset/key/" not in answer.content.decode()
        field = "payload" if model == "ormq" else "args"
        assert operator.get(f"/admin/django_q/{model}/?{field}__contains=a").status_code == 400


def test_who_may_only_look_at_tasks_queues_none_again(operator, superuser):
    now = timezone.now()
    Failure.objects.create(id="b", name="lost", func="x.y", success=False, started=now, stopped=now)
    again = {"action": "resubmit_task", "_selected_action": "b", "index": 0}
    operator.post("/admin/django_q/failure/", again)
    assert not OrmQ.objects.exists()
    superuser.post("/admin/django_q/failure/", again)
    assert OrmQ.objects.count() == 1


def test_a_sent_mail_is_kept_nowhere_in_the_queue():
    mail.queue_mail(EmailMessage("Reset", LINK, "s@example.org", ["boss@example.org"]))
    assert OrmQ.objects.get().task["save"] is False


def _permissions(*names):
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=names)
