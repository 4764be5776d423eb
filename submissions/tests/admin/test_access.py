"""Who gets into the admin, what its first page says, and that nothing of it comes from elsewhere."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from submissions import actions
from submissions.actions.evaluate import claim
from submissions.admin.dashboard import queue_state
from submissions.models import Evaluation, Submission, Worker
from submissions.tests.factories import evaluated, make_member, make_phase, make_submission, make_user

pytestmark = pytest.mark.django_db
MODELS = ["dataset", "case", "phase", "team", "submission", "evaluation", "worker"]
INDEX = reverse("admin:index")


def addresses():
    evaluation = evaluated().latest
    submission = evaluation.submission
    worker = Worker.objects.create(name="w", pid=1, started_at=timezone.now(), seen_at=timezone.now())
    rows = {
        "dataset": submission.phase.dataset, "case": submission.phase.dataset.cases.first(), "phase": submission.phase,
        "team": submission.team, "submission": submission, "evaluation": evaluation, "worker": worker,
    }  # fmt: skip
    pages = [reverse(f"admin:submissions_{name}_change", args=[row.pk]) for name, row in rows.items()]
    lists = [reverse(f"admin:submissions_{name}_changelist") for name in MODELS]
    return [INDEX, *lists, *pages, reverse("admin:submissions_submission_file", args=[submission.pk])]


@pytest.mark.parametrize("who", ["nobody", "participant"])
@pytest.mark.slow
def test_strangers_are_turned_away_from_every_page(client, who):
    """Row A23."""
    pages = addresses()
    if who == "participant":
        client.force_login(make_member())
    for address in pages:
        assert client.get(address).status_code in (302, 404), address
        assert "lunasite administration" not in client.get(address).content.decode()


def test_a_participant_cannot_act(client):
    waiting = make_submission()
    client.force_login(waiting.user)
    data = {"action": "mark_baseline", "_selected_action": [waiting.pk]}
    assert client.post(reverse("admin:submissions_submission_changelist"), data).status_code == 302
    assert not Submission.objects.get(pk=waiting.pk).is_baseline


@pytest.mark.slow
def test_staff_need_the_permission(client):
    user = make_user("helper", is_staff=True)
    client.force_login(user)
    waiting = make_submission()
    changelist = reverse("admin:submissions_evaluation_changelist")
    assert client.get(changelist).status_code == 403
    assert "waiting" not in client.get(INDEX).content.decode()

    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_evaluation", "all_phases"]))
    assert client.get(changelist).status_code == 200
    page = client.get(reverse("admin:submissions_evaluation_change", args=[waiting.latest.pk])).content.decode()
    assert 'value="retry"' not in page
    client.post(changelist, {"action": "cancel", "_selected_action": [waiting.latest.pk]})
    assert waiting.latest.status == "pending"

    user.user_permissions.add(Permission.objects.get(codename="change_evaluation"))
    client.post(changelist, {"action": "cancel", "_selected_action": [waiting.latest.pk]})
    assert waiting.latest.status == "cancelled"


@pytest.mark.slow
def test_nobody_deletes_or_adds_what_was_evaluated(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    submission = evaluated()
    for name, row in {"submission": submission, "evaluation": submission.latest}.items():
        assert (
            client.post(reverse(f"admin:submissions_{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        )
        assert client.get(reverse(f"admin:submissions_{name}_add")).status_code == 403
        changelist = reverse(f"admin:submissions_{name}_changelist")
        client.post(changelist, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    client.post(reverse("admin:auth_user_delete", args=[submission.user_id]), {"post": "yes"})
    client.post(reverse("admin:submissions_team_delete", args=[submission.team_id]), {"post": "yes"})
    assert Evaluation.objects.filter(pk=submission.latest.pk).exists()


@pytest.mark.slow
def test_posted_fields_change_nothing(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    submission = evaluated()
    before = Evaluation.objects.values().get()
    for name, row in {"submission": submission, "evaluation": submission.latest}.items():
        data = {"status": "failed", "scores": "{}", "team": "1", "is_baseline": "on", "try_counts": "", "_save": "Save",
                "events-TOTAL_FORMS": "0", "events-INITIAL_FORMS": "0",
                "evaluations-TOTAL_FORMS": "0", "evaluations-INITIAL_FORMS": "0"}  # fmt: skip
        client.post(reverse(f"admin:submissions_{name}_change", args=[row.pk]), data)
    assert Evaluation.objects.values().get() == before
    assert not Submission.objects.get().is_baseline


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere_and_run_no_inline_code(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    for address in addresses():
        response = client.get(address)
        if response.status_code == 302:
            continue
        page = response.content.decode()
        assert response.status_code == 200, address
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", page), address
        assert not re.search(r"\son(click|load|submit)=", page), address
        assert not re.search(r"<[^>]+\sstyle=", page), address
        assert not re.search(r"""(?:src|<link[^>]+href)=["'](?:https?:)?//""", page), address


@pytest.mark.slow
def test_the_first_page_says_how_the_queue_does(client):
    now = timezone.now()
    phase = make_phase()
    waiting = make_submission(phase=phase).latest
    Evaluation.objects.filter(pk=waiting.pk).update(available_at=now - timedelta(minutes=5, seconds=10))
    held = make_submission(phase=phase).latest
    Evaluation.objects.filter(pk=held.pk).update(available_at=now + timedelta(days=9))
    claim(make_submission(phase=phase).latest.pk, "tests")
    for code in ("SYSTEM_ENGINE", "TIMEOUT", "TIMEOUT"):
        actions.fail(evaluation=claim(make_submission(phase=phase).latest.pk, "tests"), code=code)
    old = Evaluation.objects.filter(failure_code="TIMEOUT").first()
    Evaluation.objects.filter(pk=old.pk).update(finished_at=now - timedelta(hours=25))
    for name, seen_s, refusal in (("a", 2, ""), ("b", 3, "No engine."), ("c", 300, "")):
        seen_at = now - timedelta(seconds=seen_s)
        Worker.objects.create(name=name, pid=1, started_at=now, seen_at=seen_at, refusal=refusal)

    state = queue_state()
    counts = (state.waiting, state.running, state.failed_ours, state.failed_theirs)
    assert counts == (2, 1, 1, 1)
    assert (state.workers_alive, state.workers, state.refusing) == (2, 3, 1)
    assert state.oldest.startswith("5 min")

    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    page = client.get(INDEX).content.decode()
    assert "<strong>2</strong> waiting" in page
    assert "the oldest for 5 min" in page
    assert "<strong>1</strong> failed by our fault" in page
    assert "<strong>2</strong> of 3 workers alive" in page
    assert "1 refuse containers" in page


@pytest.mark.parametrize("count", [0, 5])
@pytest.mark.slow
def test_the_first_page_asks_eight_questions_whatever_the_queue(count):
    for _ in range(count):
        make_submission()
    with CaptureQueriesContext(connection) as queries:
        queue_state()
    assert len(queries) == 8


def test_workers_show_their_heartbeat_and_why_they_refuse(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    seen = timezone.now() - timedelta(minutes=3)
    Worker.objects.create(
        name="host/containers/1",
        pid=1,
        started_at=seen,
        seen_at=seen,
        refusal="The self-test failed.",
        engine_free_bytes=2**30,
    )
    page = client.get(reverse("admin:submissions_worker_changelist")).content.decode()
    assert "The self-test failed." in page
    assert re.search(r"3 min( \d s)? ago", page)
    assert "1.0\xa0GB" in page
    assert 'alt="False"' in page


def test_second_factors_can_be_taken_away_and_not_read(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    factor = Authenticator.objects.create(user=make_user(), type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    for address in ("changelist", "change"):
        args = [factor.pk] if address == "change" else []
        response = client.get(reverse(f"admin:mfa_authenticator_{address}", args=args))
        assert response.status_code == 200
        assert "JBSWY3DPEHPK3PXP" not in response.content.decode()
    client.post(reverse("admin:mfa_authenticator_delete", args=[factor.pk]), {"post": "yes"})
    assert not Authenticator.objects.exists()
