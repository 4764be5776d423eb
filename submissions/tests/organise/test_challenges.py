"""A challenge in the browser: made hidden, checked, opened; who organises it; phases with their dates and quotas."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from submissions.models import AuditEvent, Challenge, Phase
from submissions.organise.forms import ChallengeForm
from submissions.tests.factories import make_challenge, make_dataset, make_member, make_phase, make_staff, make_worker
from submissions.tests.organise.conftest import SPLITS

pytestmark = pytest.mark.django_db


@pytest.fixture
def challenge(organiser):
    made = make_challenge(slug="lungs", title="Lungs", is_hidden=True)
    made.organisers.add(organiser)
    return made


@pytest.fixture
def dataset(organiser):
    made = make_dataset(splits=SPLITS)
    made.owner = organiser
    made.save()
    return made


def phase_form(over, **fields):
    return {
        "title": "Final", "slug": "lungs-final", "dataset": over.pk, "description": "", "opens_at": "",
        "closes_at": "2031-06-30T12:00", "time_zone": "Europe/Amsterdam", "accepts_csv": "on", "quotas": "2/7d\n30/all",
        "metric": "", "tie_breaks": "", "disclosure": "competition", "ladder_step": "0.01", "decimals": "4",
        "score_digits": "3", "interval_digits": "2", "board_is_public": "on", "predict_timeout_s": "300",
        "parallel": "1",
    } | fields  # fmt: skip


@pytest.mark.slow
def test_a_new_challenge_is_hidden_and_its_makers(browser, client, organiser):
    answer = browser.post("/organise/challenges/new/", {"title": "Lungs", "slug": "Lungs", "tagline": "Find them"})
    assert answer["Location"] == "/organise/challenges/lungs/"
    made = Challenge.objects.get()
    assert (made.slug, made.is_hidden, list(made.organisers.all())) == ("lungs", True, [organiser])
    assert "Lungs" in browser.get("/organise/").content.decode()
    client.force_login(make_staff("organiser", name="other"))
    assert "Lungs" not in client.get("/organise/").content.decode()
    assert client.get("/organise/challenges/lungs/").status_code == 404


@pytest.mark.parametrize("slug", ["new", "taken", "no spaces", ""])
def test_an_address_that_cannot_be_is_told(browser, slug):
    make_challenge(slug="taken")
    assert browser.post("/organise/challenges/new/", {"title": "x", "slug": slug}).status_code == 400
    assert Challenge.objects.count() == 1


@pytest.mark.slow
def test_the_list_names_what_is_missing_and_what_is_needed_opens_it(browser, challenge, dataset, organiser):
    page = browser.get("/organise/challenges/lungs/").content.decode()
    assert "A phase with a dataset" in page
    assert "needed" in page
    assert 'href="/organise/challenges/lungs/phases/new/">Add the first phase' in page
    browser.post("/organise/challenges/lungs/publish/")
    challenge.refresh_from_db()
    assert challenge.is_hidden
    make_phase(dataset=dataset, challenge=challenge, title="Warm-up", closes_at=None)
    make_worker()
    page = browser.get("/organise/challenges/lungs/").content.decode()
    for line in ("It never ends.", "No quota", "A second organiser", "Rules that participants accept", "EMAIL_HOST"):
        assert line in page, line
    browser.post("/organise/challenges/lungs/publish/")
    challenge.refresh_from_db()
    assert not challenge.is_hidden
    assert AuditEvent.objects.filter(action="publish", actor=organiser).exists()
    browser.post("/organise/challenges/lungs/publish/", {"hide": "1"})
    challenge.refresh_from_db()
    assert challenge.is_hidden


def test_title_and_approval_are_saved_and_logged_and_a_text_saved_meanwhile_stays(browser, challenge, monkeypatch):
    bind = ChallengeForm.is_valid

    def somebody_saves_rules(form):
        Challenge.objects.update(rules="Be fair.")
        return bind(form)

    monkeypatch.setattr(ChallengeForm, "is_valid", somebody_saves_rules)
    browser.post("/organise/challenges/lungs/edit/", {"title": "Lungs 2", "tagline": "", "needs_approval": "on"})
    challenge.refresh_from_db()
    assert (challenge.title, challenge.rules, challenge.needs_approval) == ("Lungs 2", "Be fair.", True)
    assert AuditEvent.objects.get(action="change").note == "title, needs_approval"
    assert browser.post("/organise/challenges/lungs/edit/", {"title": ""}).status_code == 400


def test_each_text_of_the_list_is_written_where_it_becomes_a_version_with_its_author(browser, challenge):
    page = browser.get("/organise/challenges/lungs/").content.decode()
    for name in ("overview", "rules"):
        address = f"/challenges/lungs/edit/{name}/"
        assert f'href="{address}"' in page
        browser.post(address, {"body": f"About the {name}.", "save": "1"})
        version = challenge.text_versions.filter(name=name).latest("number")
        assert (version.body, version.saved_by_name) == (f"About the {name}.", "olga")


@pytest.mark.slow
def test_organisers_are_added_by_name_and_one_stays(browser, client, challenge, organiser):
    friend, participant = make_staff("organiser", name="frida"), make_member("ann")

    def ask(**form):
        return browser.post("/organise/challenges/lungs/people/", form, follow=True).content.decode()

    for name in (participant.username, "nobody", "x" * 151, ""):
        ask(name=name)
        assert list(challenge.organisers.all()) == [organiser]
    assert "keeps one organiser" in ask(remove=organiser.pk)
    assert "frida organises it too" in ask(name="frida")
    client.force_login(friend)
    assert client.get("/organise/challenges/lungs/").status_code == 200
    answer = browser.post("/organise/challenges/lungs/people/", {"remove": organiser.pk})
    assert answer["Location"] == "/organise/"  # no longer one's own
    assert browser.get("/organise/challenges/lungs/").status_code == 404
    assert AuditEvent.objects.filter(action__contains="organiser").count() == 2


def test_the_last_organiser_who_can_sign_in_stays(browser, challenge, organiser):
    challenge.organisers.add(make_staff("organiser", name="frida", is_active=False))
    answer = browser.post("/organise/challenges/lungs/people/", {"remove": organiser.pk}, follow=True)
    assert "keeps one organiser" in answer.content.decode()
    assert organiser in challenge.organisers.all()


@pytest.mark.slow
def test_a_phase_has_its_dates_in_the_organisers_zone(browser, challenge, dataset):
    answer = browser.post("/organise/challenges/lungs/phases/new/", phase_form(dataset))
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    phase = Phase.objects.get()
    assert phase.challenge == challenge
    assert phase.closes_at == datetime(2031, 6, 30, 10, 0, tzinfo=UTC)  # summer time there
    assert [str(quota) for quota in phase.quotas.all()] == ["30 in the whole phase", "2 every 7 days"]
    assert abs(phase.opens_at - timezone.now()) < timedelta(minutes=1)
    page = browser.get("/organise/phases/lungs-final/").content.decode()
    assert 'value="2031-06-30T12:00"' in page
    assert "2/7d" in page
    form = phase_form(dataset, title="Finale", opens_at="2030-01-01T00:00", quotas="1/12h")
    browser.post("/organise/phases/lungs-final/", form | {"slug": "another"})
    phase.refresh_from_db()
    assert (phase.title, phase.slug) == ("Finale", "lungs-final")
    assert phase.opens_at == datetime(2029, 12, 31, 23, 0, tzinfo=UTC)
    assert [str(quota) for quota in phase.quotas.all()] == ["1 every 12 hours"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"quotas": "two a week"}, "is not a quota"),
        ({"closes_at": "soon"}, "Give a date and time"),
        ({"closes_at": "2020-01-01T00:00"}, "must close after it opens"),
        ({"time_zone": "Moon/Crater"}, "There is no time zone"),
        ({"time_zone": "../../etc/passwd"}, "There is no time zone"),
        ({"accepts_docker": "on"}, "a container needs an image of every case"),
        ({"metric": "macro_f1"}, "is no metric of lesion phases"),
        ({"tie_breaks": "luck"}, "Give a list of metrics"),
        ({"ladder_step": "7"}, "at most 1"),
        ({"memory_mib": "3"}, "Give 64 to 4,194,304"),
        ({"slug": ""}, "required"),
        ({"dataset": "0"}, "Select a valid choice"),
    ],
)
def test_a_phase_that_cannot_be_is_told_at_its_field(browser, challenge, dataset, fields, sentence):
    answer = browser.post("/organise/challenges/lungs/phases/new/", phase_form(dataset, **fields))
    assert answer.status_code == 400
    assert sentence in answer.content.decode()
    assert not Phase.objects.exists()


def test_somebody_elses_dataset_cannot_be_opened(browser, challenge):
    foreign = make_dataset(splits=SPLITS)
    foreign.owner = make_staff("organiser", name="other")
    foreign.save()
    answer = browser.post("/organise/challenges/lungs/phases/new/", phase_form(foreign))
    assert answer.status_code == 400
    assert foreign.name not in answer.content.decode()


def test_a_copy_begins_with_the_settings_and_not_the_dates(browser, challenge, dataset):
    source = make_phase(
        dataset=dataset, challenge=challenge, slug="one", title="One", memory_mib=4096, metric="average_precision",
        closes_at=timezone.now() + timedelta(days=3), quotas=[(5, timedelta(days=1))], priority=3,
    )  # fmt: skip
    page = browser.get("/organise/challenges/lungs/phases/new/?copy=one").content.decode()
    for shown in ('value="4096"', "One (copy)", "5/1d", f'<option value="{dataset.pk}" selected>'):
        assert shown in page, shown
    assert f'value="{source.closes_at:%Y-%m-%d}' not in page
    browser.post("/organise/challenges/lungs/phases/new/?copy=one", phase_form(dataset, slug="two"))
    copy = Phase.objects.get(slug="two")
    assert copy.pk != source.pk
    assert copy.priority == 0  # an operator put the one before other phases, not its copies
    assert Phase.objects.get(slug="one").title == "One"


def test_a_copy_of_somebody_elses_phase_is_not_to_be_had(browser, challenge):
    make_phase(slug="foreign")
    assert browser.get("/organise/challenges/lungs/phases/new/?copy=foreign").status_code == 404


@pytest.mark.slow
def test_the_dataset_is_fixed_with_the_first_submission_and_ranking_may_change(browser, challenge, dataset):
    from submissions.tests.factories import make_submission

    phase = make_phase(dataset=dataset, challenge=challenge, slug="one", accepts_docker=False)
    make_submission(phase=phase)
    other = make_dataset(splits=SPLITS)
    form = phase_form(other, metric="average_precision")
    answer = browser.post("/organise/phases/one/", form, follow=True)
    phase.refresh_from_db()
    assert (phase.dataset, phase.metric) == (dataset, "average_precision")
    assert "board" in answer.content.decode()


def test_closing_now_ends_the_phase(browser, challenge, dataset, organiser):
    phase = make_phase(dataset=dataset, challenge=challenge, slug="one")
    browser.post("/organise/phases/one/end/")
    phase.refresh_from_db()
    assert phase.has_ended(timezone.now())
    assert AuditEvent.objects.filter(action="close", actor=organiser, phase=phase).exists()
    at = phase.closes_at
    assert "is not open" in browser.post("/organise/phases/one/end/", follow=True).content.decode()
    phase.refresh_from_db()
    assert phase.closes_at == at


def test_the_preview_shows_what_a_participant_sees(browser, challenge, dataset):
    make_phase(dataset=dataset, challenge=challenge, slug="one", title="Warm-up", quotas=[(3, None)])
    page = browser.get("/organise/phases/one/preview/").content.decode()
    assert "Warm-up" in page
    assert "This is a preview" in page
    assert "of 3 left" in " ".join(page.split())
    assert "/organise/" not in page.replace("/organise/phases/one/preview/", "")  # a participant has no such link


@pytest.mark.slow
def test_others_cannot_touch_a_challenge(client, challenge, dataset):
    make_phase(dataset=dataset, challenge=challenge, slug="one")
    pages = [
        "challenges/lungs",
        "challenges/lungs/edit",
        "challenges/lungs/phases/new",
        "phases/one",
        "phases/one/preview",
    ]
    verbs = ["challenges/lungs/publish", "challenges/lungs/people", "phases/one/end", "phases/one"]
    people = [make_staff("organiser", name="other"), make_staff("reviewer"), make_staff("operator"), make_member("ann")]
    for user in people:
        client.force_login(user)
        assert {client.get(f"/organise/{page}/").status_code for page in pages} == {404}
        assert {client.post(f"/organise/{page}/").status_code for page in verbs} == {404}


@pytest.mark.slow
def test_a_frozen_board_changes_no_more(browser, challenge, dataset, organiser):
    from lunasite.http.errors import ApiError
    from submissions import actions
    from submissions.tests.factories import evaluated, make_submission

    phase = make_phase(dataset=dataset, challenge=challenge, slug="one", accepts_docker=False)
    freeze = {"freeze": "1"}
    assert "has not ended" in browser.post("/organise/phases/one/end/", freeze, follow=True).content.decode()
    done, waiting = evaluated(phase=phase), make_submission(phase=phase)
    browser.post("/organise/phases/one/end/")
    answer = browser.post("/organise/phases/one/end/", freeze, follow=True).content.decode()
    assert "1 of its evaluations" in answer
    actions.evaluate(evaluation_id=waiting.latest.pk, worker="tests")
    browser.post("/organise/phases/one/end/", freeze)
    phase.refresh_from_db()
    assert phase.frozen_at is not None
    assert AuditEvent.objects.filter(action="freeze", actor=organiser, phase=phase).exists()
    for verb in (
        lambda: actions.set_hidden(submission=done, is_hidden=True),
        lambda: actions.mark_baseline(submission=done, is_baseline=True),
        lambda: actions.re_evaluate(submission=done),
    ):
        with pytest.raises(ApiError, match="is frozen"):
            verb()
    at = f"{phase.opens_at:%Y-%m-%dT%H:%M}"
    form = phase_form(dataset, time_zone="UTC", opens_at=at, closes_at="2031-01-01T00:00", metric="average_precision")
    answer = browser.post("/organise/phases/one/", form)
    assert answer.status_code == 400
    assert answer.content.decode().count("The final board is frozen: this changes no more.") >= 2
