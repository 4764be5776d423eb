"""A form of a phase that leaves a date alone stores it as it was: to the microsecond, and in the repeated hour."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from submissions.models import Phase
from submissions.tests.organise.test_challenges import phase_form

pytestmark = pytest.mark.django_db
PAGE = "/organise/phases/one/"


def as_shown(browser, phase, **changed):
    """Return the form as the page shows it, with what the organiser changes."""
    page = browser.get(PAGE)
    shown = {name: page.context["form"][name].value() for name in ("opens_at", "closes_at", "time_zone")}
    for name, value in [*shown.items()]:
        hidden = f"initial-{name}"
        assert f'<input type="hidden" name="{hidden}"' in page.content.decode()
        shown[hidden] = value
    return phase_form(phase.dataset, **(shown | changed))


def send(browser, form):
    answer = browser.post(PAGE, form)
    assert answer.status_code == 302, answer.content.decode()[-3000:]


def test_another_word_moves_no_date(browser, phase):
    opens_at = datetime(2026, 1, 1, 8, 30, 12, 345678, tzinfo=UTC)
    Phase.objects.update(opens_at=opens_at)
    browser.post(f"{PAGE}end/")
    phase.refresh_from_db()
    ended_at = phase.closes_at
    send(browser, as_shown(browser, phase, description="Thank you."))
    phase.refresh_from_db()
    assert (phase.description, phase.opens_at, phase.closes_at) == ("Thank you.", opens_at, ended_at)


def test_the_words_of_a_frozen_phase_can_be_changed(browser, phase):
    browser.post(f"{PAGE}end/")
    browser.post(f"{PAGE}end/", {"freeze": "1"})
    send(browser, as_shown(browser, phase, description="Thank you."))
    phase.refresh_from_db()
    assert phase.description == "Thank you."
    assert phase.frozen_at is not None


def test_the_second_of_two_equal_hours_stays_the_second(browser, phase):
    closes_at = datetime(2031, 10, 26, 1, 30, tzinfo=UTC)  # 2:30 of winter time in Amsterdam; 0:30 UTC is 2:30 too
    Phase.objects.update(closes_at=closes_at)
    session = browser.session
    session["time_zone"] = "Europe/Amsterdam"
    session.save()
    send(browser, as_shown(browser, phase))
    phase.refresh_from_db()
    assert phase.closes_at == closes_at


def test_the_same_date_in_another_zone_is_another_moment(browser, phase):
    Phase.objects.update(closes_at=datetime(2031, 6, 30, 12, 0, tzinfo=UTC))
    send(browser, as_shown(browser, phase, time_zone="Europe/Amsterdam"))
    phase.refresh_from_db()
    assert phase.closes_at == datetime(2031, 6, 30, 10, 0, tzinfo=UTC)


def test_an_emptied_opening_opens_at_once(browser, phase):
    Phase.objects.update(opens_at=timezone.now() + timedelta(days=3))
    send(browser, as_shown(browser, phase, opens_at=""))
    phase.refresh_from_db()
    assert abs(phase.opens_at - timezone.now()) < timedelta(minutes=1)


def test_an_emptied_opening_of_an_open_phase_changes_nothing(browser, phase):
    opened_at = timezone.now() - timedelta(days=3)
    Phase.objects.update(opens_at=opened_at)
    send(browser, as_shown(browser, phase, opens_at=""))
    phase.refresh_from_db()
    assert phase.opens_at == opened_at


def test_the_admin_changes_the_words_of_a_frozen_phase(browser, phase):
    browser.post(f"{PAGE}end/")
    browser.post(f"{PAGE}end/", {"freeze": "1"})
    phase.refresh_from_db()
    address = f"/admin/submissions/phase/{phase.pk}/change/"
    shown = browser.get(address).context["adminform"].form
    data = {name: shown[name].value() for name in shown.fields}
    dates = {"opens_at": phase.opens_at, "initial-opens_at": phase.opens_at, "closes_at": phase.closes_at}
    data = {name: value for name, value in data.items() if value not in (None, False)} | {
        **{f"{name}_0": f"{at:%Y-%m-%d}" for name, at in dates.items()},
        **{f"{name}_1": f"{at:%H:%M:%S}" for name, at in dates.items()},
        "batch_slugs": "{}", "tie_breaks": "", "description": "Thank you.",
        "quotas-TOTAL_FORMS": "0", "quotas-INITIAL_FORMS": "0",
    }  # fmt: skip
    answer = browser.post(address, data)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    ended_at = phase.closes_at
    phase.refresh_from_db()
    assert (phase.description, phase.closes_at) == ("Thank you.", ended_at)


def test_an_emptied_zone_stays_empty_where_the_form_is_shown_again(browser, phase):
    """The script fills in the browser's zone on a fresh form; here the organiser has said UTC."""
    fresh = browser.get("/organise/challenges/lungs/phases/new/").content.decode()
    assert "data-time-zone" in fresh
    answer = browser.post(
        "/organise/challenges/lungs/phases/new/", phase_form(phase.dataset, slug="two", time_zone="", quotas="x")
    )
    assert answer.status_code == 400
    assert "data-time-zone" not in answer.content.decode()


def test_a_form_that_was_open_before_the_phase_was_closed_does_not_open_it_again(browser, phase):
    """The private scores have been shown meanwhile."""
    Phase.objects.update(closes_at=timezone.now() + timedelta(days=3))
    form = as_shown(browser, phase, description="Hurry.")
    browser.post(f"{PAGE}end/")
    session = browser.session
    session["time_zone"] = "Europe/Amsterdam"  # of another phase, saved in another window
    session.save()
    send(browser, form)
    phase.refresh_from_db()
    assert phase.description == "Hurry."
    assert phase.has_ended(timezone.now())
