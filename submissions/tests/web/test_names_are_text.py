"""T47: a name in the template language is shown letter by letter, and never worked out."""

import csv
import io
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from submissions import actions
from submissions.actions.evaluate import claim
from submissions.models import Submission
from submissions.tests.factories import evaluated, make_dataset, make_member, make_phase, make_submission, make_user
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db
# Each works out to a number that stands nowhere else, not among the thousands of digits of a page of scores either.
TEAM = "{{ 70000100001|add:70000100001 }}"
USER = "{{ 70000200002|add:70000200002 }}"
PHASE = "{{ 70000300003|add:70000300003 }}"
TITLE = "{{ 70000400004|add:70000400004 }}"
VERSION = "{% widthratio 70000500005 1 2 %}"
COMMENT = "{{ 70000600006|add:70000600006 }} %(settings)s {0.__class__} ${7*7} <%= 7*7 %>"
DATASET = "{{ 70000700007|add:70000700007 }}"
WORKED_OUT = tuple(str(2 * (70_000_000_000 + 100_001 * i)) for i in range(1, 8))


@pytest.fixture
def eve():
    return make_member(USER, team=TEAM)


@pytest.fixture
def stage(eve):
    """(phase, submission): a scored entry whose every name is a template."""
    dataset = make_dataset()
    type(dataset).objects.filter(pk=dataset.pk).update(name=DATASET)
    dataset.refresh_from_db()
    phase = make_phase(dataset, slug="p1", title=PHASE, description=COMMENT)
    submission = evaluated(user=eve, phase=phase, title=TITLE, comment=COMMENT, model_version=VERSION)
    evaluated(user=eve, phase=phase, title=TITLE, model_version=VERSION, values=[0.5] * 10)
    return phase, submission


def shown(client, address, status=200):
    """Return a page's text, certain that no name in it was worked out."""
    answer = client.get(address, headers={} if address.startswith("/api/") else {"accept": "text/html"})
    assert answer.status_code == status, address
    text = unescape(answer.content.decode())
    assert not [number for number in WORKED_OUT if number in text], address
    return text


def pages(phase, submission):
    """Return (address, the names it shows): every page and answer on which a name of the stage appears."""
    board, api = f"/leaderboards/{phase.slug}/", f"/api/v1/submissions/{submission.pk}"
    return [
        ("/", [PHASE]),
        (f"/phases/{phase.slug}/", [PHASE, COMMENT]),
        (f"/submissions/{submission.pk}/", [PHASE, TEAM, USER, TITLE, VERSION, COMMENT]),
        ("/submissions/", [PHASE, TITLE, VERSION]),
        ("/leaderboards/", [PHASE]),
        (board, [PHASE, TEAM]),
        (f"{board}history/", [PHASE, TEAM]),
        (f"{board}history/?team={submission.team_id}", [PHASE, TEAM]),
        (f"{board}compare/", [PHASE, TEAM, TITLE, VERSION]),
        (f"{board}leaderboard.csv", [TEAM]),
        (api, [TEAM, USER, TITLE, VERSION, COMMENT]),
        (f"{api}/record", [TEAM]),
        ("/api/v1/submissions", [TEAM, USER, TITLE, VERSION]),
        (f"/api/v1/phases/{phase.slug}", [PHASE, COMMENT, DATASET]),
        (f"/api/v1/leaderboard?phase={phase.slug}", [TEAM]),
    ]


@pytest.mark.parametrize("who", ["its team", "staff"])
@pytest.mark.slow
def test_every_page_and_answer_shows_the_names_letter_by_letter(client, eve, stage, who):
    client.force_login(eve if who == "its team" else make_user(is_staff=True, is_superuser=True))
    missing = {
        address: [name for name in names if name not in shown(client, address)] for address, names in pages(*stage)
    }
    assert not any(missing.values()), missing


@pytest.mark.parametrize(("address", "names"), [("/team/", [TEAM, USER]), ("/account/", [TEAM, USER])])
def test_the_pages_of_the_person_and_the_team(client, eve, address, names):
    client.force_login(eve)
    text = shown(client, address)
    assert [name for name in names if name not in text] == []


@pytest.mark.slow
def test_everybody_reads_the_board_letter_by_letter(client, stage):
    for address in ("/leaderboards/p1/", "/leaderboards/p1/history/", "/leaderboards/p1/leaderboard.csv"):
        assert TEAM in shown(client, address)


@pytest.mark.slow
def test_the_admin_shows_the_names_letter_by_letter(client, eve, stage):
    phase, submission = stage
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    rows = {
        "submission": (submission.pk, [TITLE, TEAM, PHASE]),
        "team": (submission.team_id, [TEAM]),
        "phase": (phase.pk, [PHASE]),
        "dataset": (phase.dataset_id, [DATASET]),
        "evaluation": (submission.latest.pk, [TEAM, PHASE]),
    }
    for model, (pk, names) in rows.items():
        name = f"admin:submissions_{model}"
        for address in (reverse(f"{name}_changelist"), reverse(f"{name}_change", args=[pk])):
            text = shown(client, address)
            assert [name for name in names if name not in text] == [], address


@pytest.mark.slow
def test_the_admins_export_holds_the_names_letter_by_letter(client, stage):
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    data = {"action": "export_csv", "_selected_action": [stage[1].pk], "index": "0"}
    answer = client.post(reverse("admin:submissions_submission_changelist"), data)
    cells = [cell for row in csv.reader(io.StringIO(answer.content.decode())) for cell in row]
    assert {TEAM, TITLE} <= set(cells)


@pytest.mark.slow
def test_what_staff_do_is_told_in_the_names_letters(client, stage):
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    data = {"action": "hide", "_selected_action": [stage[1].pk], "index": "0"}
    answer = client.post(reverse("admin:submissions_submission_changelist"), data, follow=True)
    assert not [number for number in WORKED_OUT if number in answer.content.decode()]
    assert Submission.objects.get(pk=stage[1].pk).is_hidden


def test_a_failures_note_and_a_file_name_are_text(client, eve):
    submission = make_submission(user=eve, phase=make_phase(title=PHASE))
    Submission.objects.filter(pk=submission.pk).update(original_name=TITLE, title="", ignored_columns=[VERSION])
    actions.fail(evaluation=claim(submission.latest.pk, "w"), code="CSV_IDS", note=COMMENT)
    client.force_login(eve)
    text = shown(client, f"/submissions/{submission.pk}/")
    assert [name for name in (TITLE, VERSION, COMMENT) if name not in text] == []


def test_a_csv_that_is_refused_repeats_its_words_as_text(client, eve):
    make_phase(slug="p1", title=PHASE)
    client.force_login(eve)
    file = SimpleUploadedFile(f"{VERSION}.csv", f"AnnotationID,probability\n{TITLE},0.5\n".encode())
    answer = client.post("/phases/p1/submit/", {"file": file, "title": TITLE})
    text = unescape(answer.content.decode())
    assert answer.status_code == 400
    assert TITLE in text
    assert not [number for number in WORKED_OUT if number in text]


def test_a_mail_holds_the_users_name_letter_by_letter(client):
    make_user(USER, email="eve@example.org")
    client.post("/accounts/password/reset/", {"email": "eve@example.org"})
    (message,) = sent_mails()
    assert not [number for number in WORKED_OUT if number in f"{message.subject} {message.body}"]
    assert USER in message.body
