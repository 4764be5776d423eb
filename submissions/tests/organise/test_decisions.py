"""What an organiser decides in the browser: who takes part, and when the truth is published."""

from datetime import timedelta

import pytest
from django.utils import timezone

from submissions.datasets.commitment import commitment, revealed_data
from submissions.models import AuditEvent, Participation, Phase
from submissions.participation.requests import ask_to_take_part
from submissions.tests.factories import make_dataset, make_member, make_phase, make_staff
from submissions.tests.mails import sent_mails

pytestmark = pytest.mark.django_db


@pytest.fixture
def phase(organiser):
    dataset = make_dataset(splits=["public", "private"] * 5)
    dataset.content_hash, dataset.owner = commitment(revealed_data(dataset, dataset.cases.all())), organiser
    dataset.save()
    made = make_phase(dataset, slug="final", closes_at=timezone.now() + timedelta(days=1))
    made.challenge.needs_approval = True
    made.challenge.save()
    made.challenge.organisers.add(organiser)
    return made


def page_of(phase):
    return f"/organise/challenges/{phase.challenge.slug}/"


def ask(phase, name="ann"):
    person = make_member(name)
    person.email = f"{name}@example.org"
    person.save()
    return ask_to_take_part(phase=phase, user=person, sentence="Leiden, a 3D network")


@pytest.mark.parametrize(("button", "status"), [("accept", "accepted"), ("decline", "declined")])
def test_a_request_is_answered_on_the_challenges_own_page(
    browser, phase, button, status, django_capture_on_commit_callbacks
):
    row = ask(phase)
    shown = browser.get(page_of(phase)).content.decode()
    assert "Leiden, a 3D network" in shown
    assert f'aria-label="{button.capitalize()} ann"' in shown
    asked = len(sent_mails())
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(f"{page_of(phase)}requests/", {button: row.pk})
    assert answer["Location"] == page_of(phase)
    row.refresh_from_db()
    assert row.status == status
    assert [message.to for message in sent_mails()[asked:]] == [["ann@example.org"]]
    assert AuditEvent.objects.filter(action=button).count() == 1
    assert "Nobody waits for an answer" in browser.get(page_of(phase)).content.decode()


@pytest.mark.parametrize("number", ["", "x", "999", "9" * 40])
def test_a_request_that_is_not_there_changes_nothing(browser, phase, number):
    row = ask(phase)
    assert browser.post(f"{page_of(phase)}requests/", {"accept": number}).status_code == 404
    row.refresh_from_db()
    assert row.status == Participation.Status.REQUESTED


def test_nobody_answers_for_another_challenge(browser, phase):
    other = make_phase(slug="elsewhere")
    other.challenge.organisers.add(make_staff("organiser"))
    row = ask(other)
    assert browser.post(f"{page_of(phase)}requests/", {"accept": row.pk}).status_code == 404
    assert browser.post(f"{page_of(other)}requests/", {"accept": row.pk}).status_code == 404


def test_the_owner_publishes_the_truth_once_the_phases_have_ended(browser, phase):
    page = f"/organise/datasets/{phase.dataset.pk}/"
    assert "They stay secret now" in browser.get(page).content.decode()
    early = browser.post(f"{page}publish/", follow=True).content.decode()
    assert "these phases over it have not ended: final" in early
    Phase.objects.update(closes_at=timezone.now() - timedelta(seconds=1))
    assert "Publish truth and nonce" in browser.get(page).content.decode()
    done = browser.post(f"{page}publish/", follow=True).content.decode()
    assert "Truth and nonce were published" in done
    assert "Publish truth and nonce" not in done
    phase.dataset.refresh_from_db()
    assert phase.dataset.revealed_at is not None
    assert AuditEvent.objects.filter(action="publish").count() == 1


def test_an_organiser_of_a_phase_over_it_publishes_no_truth_of_another(client, phase):
    second = make_staff("organiser", phase)
    client.force_login(second)
    page = f"/organise/datasets/{phase.dataset.pk}/"
    assert "Publish truth and nonce" not in client.get(page).content.decode()
    assert client.post(f"{page}publish/").status_code == 404
