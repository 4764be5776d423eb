"""The pages: what a visitor reads, and that nothing is run or styled inline."""

import re
from datetime import timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.html import escape

from leaderboard import comparison
from leaderboard.boards import board_of
from leaderboard.comparison import two_entries
from leaderboard.comparison.cases import split_cases
from lunasite.http.limits.dear_work import one_at_a_time
from submissions.models import Phase
from submissions.scoring.delong import delong_difference

from .boards import make_dataset, make_entry, make_phase, make_scored_entry, make_team

pytestmark = pytest.mark.django_db
URL = "/leaderboards/lesions/"


def text_of(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_overview_lists_public_boards(client):
    phase = make_phase()
    make_entry(phase, make_team("a"), public=0.9)
    make_entry(phase, make_team("base"), public=0.9, is_baseline=True)
    text = text_of(client.get("/leaderboards/"))
    assert URL in text
    assert "1 team ranked" in text


def test_the_overview_says_when_there_is_none(client):
    assert "There is no leaderboard yet" in text_of(client.get("/leaderboards/"))


def test_my_row_and_the_baseline_are_marked(client):
    phase = make_phase()
    mine = make_team("mine")
    make_entry(phase, make_team("other"), public=0.9)
    make_entry(phase, mine, public=0.8)
    make_entry(phase, make_team("base"), public=0.85, is_baseline=True)
    client.force_login(mine.memberships.get().user)
    text = text_of(client.get(URL))
    assert text.count('class="own"') == 1
    assert "Your team has rank 2." in text
    assert text.count(">baseline<") == 1


def test_every_score_has_its_interval_drawn(client):
    phase = make_phase()
    make_entry(phase, make_team("a"), public=0.89123)
    text = text_of(client.get(URL))
    assert "0.8912" in text
    assert "0.8412 to 0.9412" in text
    assert 'aria-label="0.8412 to 0.9412"' in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "the first one leads the board"),
        ({"opens_at": timezone.now() + timedelta(days=2)}, "has not opened yet"),
        ({"closes_at": timezone.now() - timedelta(days=1)}, "has ended without a scored entry"),
    ],
)
def test_an_empty_board_says_what_to_do(client, fields, sentence):
    make_phase(**fields)
    assert sentence in text_of(client.get(URL))


def test_a_board_that_ended_says_which_cases_rank(client):
    phase = make_phase(closes_at=timezone.now() - timedelta(days=1))
    make_entry(phase, make_team("a"), public=0.9, private=0.7)
    text = text_of(client.get(URL))
    assert "final ranks, from the private cases" in text
    assert "0.7000" in text


# T47
@pytest.mark.slow
@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7|add:7 }}"])
def test_a_teams_name_is_only_text(client, name):
    phase = make_phase()
    team = make_team(name)
    for value in (0.8, 0.9):
        make_scored_entry(phase, team, np.linspace(0, value, 40), title=name, model_version=name)
    client.force_login(team.memberships.get().user)
    for page in (URL, f"{URL}history/?team={team.pk}", f"{URL}history/", f"{URL}compare/"):
        text = text_of(client.get(page))
        assert escape(name) in text
        assert "<img src=x" not in text
        assert "alert(1)</script>" not in text


@pytest.mark.slow
def test_pages_carry_no_inline_style_or_script(client):
    phase = make_phase()
    team = make_team("a")
    for value in (0.8, 0.9):
        make_scored_entry(phase, team, np.linspace(0, value, 40))
    client.force_login(team.memberships.get().user)
    for page in ("/leaderboards/", URL, f"{URL}history/?team={team.pk}", f"{URL}compare/"):
        text = text_of(client.get(page))
        assert not re.search(r"\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|<style", text)


@pytest.mark.slow
def test_long_boards_come_in_pages_of_fifty(client):
    phase = make_phase()
    for i in range(52):
        make_entry(phase, make_team(f"t{i:02}"), public=0.9 - i / 100)
    text = text_of(client.get(f"{URL}?metric=auc"))
    assert "Page 1 of 2" in text
    assert 'href="?metric=auc&amp;page=2"' in text
    last = text_of(client.get(f"{URL}?page=2&metric=auc"))
    assert re.search(r">\s*51\s*<", last)
    assert 'href="?metric=auc&amp;page=1"' in last


@pytest.mark.parametrize("query", ["page=-1", "page=x", "metric=nope", "split=nope", "split=private"])
def test_a_board_that_is_not_there_is_404(client, query):
    make_phase(disclosure="competition")
    assert client.get(f"{URL}?{query}").status_code == 404


def test_htmx_gets_the_table_alone(client):
    make_phase()
    response = client.get(URL, headers={"HX-Request": "true"})
    assert "<html" not in text_of(response)
    assert "<html" in text_of(client.get(URL, headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}))


def test_the_history_draws_the_way_up(client):
    phase, team = make_phase(), make_team("a")
    for days_ago, value in ((3, 0.7), (2, 0.65), (1, 0.8)):
        make_entry(phase, team, public=value, days_ago=days_ago)
    text = text_of(client.get(f"{URL}history/?team={team.pk}"))
    assert text.count('<circle class="dot"') == 3
    assert "<polyline" in text


def test_the_history_leads_to_the_own_team_once_it_has_an_entry(client):
    phase, team = make_phase(), make_team("mine")
    client.force_login(team.memberships.get().user)
    assert "My team" not in text_of(client.get(f"{URL}history/"))
    make_entry(phase, team, public=0.8)
    assert f'href="?team={team.pk}">My team' in text_of(client.get(f"{URL}history/"))


def test_an_empty_history_says_so(client):
    make_phase()
    assert "The history starts with the first one" in text_of(client.get(f"{URL}history/"))
    assert client.get(f"{URL}history/?team=999").status_code == 404


def test_the_page_exports_what_it_shows(client):
    phase = make_phase()
    make_entry(phase, make_team("a"), public={"auc": 0.8, "brier": 0.2})
    response = client.get(f"{URL}leaderboard.csv?metric=brier")
    assert response["Content-Type"].startswith("text/csv")
    assert b"0.2" in response.content
    header = response.content.decode().splitlines()[0].split(",")
    assert {"rank", "team", "score", "brier", "baseline"} <= set(header)
    assert {"bar", "ranks", "ends", "model", "metrics"}.isdisjoint(header)  # how a page draws what other columns hold


@pytest.fixture
def versions():
    """A phase with two versions of one team, one clearly better, and another team's entry."""
    phase = make_phase(make_dataset(n=120))
    truth = np.array([(i // 3) % 2 for i in range(120)])
    noise = np.random.default_rng(1).random(120)
    mine, other = make_team("mine"), make_team("other")
    good = make_scored_entry(phase, mine, 0.6 * truth + 0.4 * noise, title="v2")
    bad = make_scored_entry(phase, mine, noise, title="v1")
    return phase, good, bad, make_scored_entry(phase, other, noise**2, title="secret name")


def compare(client, a, b, **query):
    return client.get(f"{URL}compare/", {"a": a.submission_id, "b": b.submission_id} | query)


@pytest.mark.slow
def test_two_versions_are_compared_on_the_same_cases(client, versions):
    phase, good, bad, _ = versions
    client.force_login(User.objects.get(membership__team__name="mine"))
    text = text_of(compare(client, good, bad))
    expected = good.scores["public"]["auc"] - bad.scores["public"]["auc"]
    assert f"{expected:.4f}" in text
    assert "60 cases of 30 patients" in text
    assert '<span class="badge bad">B is worse</span>' not in text  # both are the reader's: nothing to colour
    assert '<span class="badge">B is worse</span>' in text
    assert ">clear<" not in text
    assert phase.title in text


def test_columns_of_numbers_are_right_aligned(client):
    make_entry(make_phase(), make_team("a"), public=0.9)
    headings = re.findall(r'<th scope="col" class="(num)?[^>]*>(.*?)</th>', text_of(client.get(URL)))
    aligned = {re.sub(r"<svg.*|<[^>]*>", "", text).strip(): bool(number) for number, text in headings}
    numbers = {heading for heading, is_number in aligned.items() if is_number}
    assert numbers == {"Rank", "AUC", "From, to", "Entries", "Sensitivity at 95 % specificity"}
    assert set(aligned) - numbers == {"Team", "Interval", "Submitted"}


@pytest.mark.slow
def test_delongs_test_compares_the_two_entries(client, versions):
    _, good, bad, _ = versions
    board = board_of(good.submission.phase, good.submission.user)
    difference = good.scores["public"]["auc"] - bad.scores["public"]["auc"]
    forth, back = (comparison.compare(board, *pair).delong.difference for pair in ((good, bad), (bad, good)))
    assert forth.value == pytest.approx(difference, abs=1e-12)
    assert (back.value, back.low, back.high) == pytest.approx((-forth.value, -forth.high, -forth.low))


@pytest.mark.slow
def test_delongs_test_takes_a_patients_cases_together(client, versions):
    _, good, bad, _ = versions
    board = board_of(good.submission.phase, good.submission.user)
    found = comparison.compare(board, good, bad)
    assert found.n_patients == 30
    cases = split_cases(board.phase, "public")
    pair = [cases.sample(entry).predictions for entry in (good, bad)]
    assert found.delong.difference == delong_difference(cases.truth, *pair, cases.groups)
    assert found.delong.difference.p_value != delong_difference(cases.truth, *pair).p_value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "first", "expected"),
    [
        ("mine", "good", '<span class="badge bad">B is better</span>'),
        ("mine", "bad", '<span class="badge ok">B is worse</span>'),
        ("other", "good", '<span class="badge ok">B is better</span>'),
        ("staff", "good", '<span class="badge">B is better</span>'),
    ],
)
def test_a_reading_says_who_is_better_and_is_green_only_for_ones_own_win(client, reader, first, expected):
    """Entry A is of the team "mine"; B is of the team "other", much better than "bad" and than "good" alike."""
    phase = make_phase(make_dataset(n=240))
    truth = np.array([(i // 3) % 2 for i in range(240)])
    noise = np.random.default_rng(1).random(240)
    own = {"good": 0.45 * truth + 0.55 * noise, "bad": 0.45 * (1 - truth) + 0.55 * noise}[first]
    rival = {"good": 0.9 * truth + 0.1 * noise, "bad": (1 - truth) * 0.9 + 0.1 * noise}[first]
    a = make_scored_entry(phase, make_team("mine"), own)
    b = make_scored_entry(phase, make_team("other"), rival)
    staff = User.objects.create_user("staff", is_staff=True, is_superuser=True)
    client.force_login(staff if reader == "staff" else User.objects.get(membership__team__name=reader))
    text = text_of(compare(client, a, b))
    assert expected in text
    assert ">clear<" not in text


@pytest.mark.slow
def test_both_curves_are_drawn_with_their_bands(client, versions):
    _, good, bad, _ = versions
    client.force_login(User.objects.get(membership__team__name="mine"))
    text = text_of(compare(client, good, bad))
    assert len(re.findall(r'<polygon class="band (?:curve|second)" points="[\d., ]+"', text)) == 2
    assert len(re.findall(r'<polyline class="(?:curve|second)" points="[\d., ]+"', text)) == 2


@pytest.mark.slow
def test_no_number_is_minus_zero(client):
    phase = make_phase(decimals=2)
    truth = np.array([(i // 3) % 2 for i in range(40)])
    scores = np.linspace(0.1, 0.9, 40)
    nearly = scores - 0.001 * truth
    team = make_team("mine")
    a, b = (make_scored_entry(phase, team, predictions) for predictions in (nearly, scores))
    client.force_login(team.memberships.get().user)
    assert "-0.00" not in text_of(compare(client, a, b))


def without_token(answer):
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", text_of(answer))


@pytest.mark.slow
def test_a_comparison_is_computed_once_and_one_at_a_time(client, versions, monkeypatch):
    _, good, bad, _ = versions
    user = User.objects.get(membership__team__name="mine")
    client.force_login(user)
    with one_at_a_time(f"user:{user.pk}"):
        busy = compare(client, good, bad)
        assert (busy.status_code, busy["Retry-After"]) == (429, "2")
    first = compare(client, good, bad)
    assert first.status_code == 200
    monkeypatch.setattr(two_entries, "compare", None)
    assert without_token(compare(client, good, bad)) == without_token(first)


@pytest.mark.slow
def test_the_same_ranking_does_not_differ(client, versions):
    _, _, bad, other = versions
    client.force_login(User.objects.get(membership__team__name="mine"))
    text = text_of(compare(client, bad, other))
    assert "0.0000" in text
    assert "secret name" not in text


@pytest.mark.slow
def test_comparing_needs_a_login_and_shown_cases(client, versions):
    _, good, bad, _ = versions
    assert compare(client, good, bad).status_code == 302
    client.force_login(User.objects.get(membership__team__name="mine"))
    Phase.objects.update(disclosure="competition")
    assert compare(client, good, bad, split="private").status_code == 404


@pytest.mark.slow
def test_another_teams_lesser_entry_is_not_there(client, versions):
    _, good, bad, _ = versions
    client.force_login(User.objects.get(membership__team__name="other"))
    assert compare(client, good, bad).status_code == 404
    assert client.get(f"{URL}compare/?a=nonsense").status_code == 404


@pytest.mark.slow
def test_entries_of_other_data_are_not_compared(client, versions):
    _, good, bad, _ = versions
    good.dataset_hash = "older"
    good.save()
    client.force_login(User.objects.get(membership__team__name="mine"))
    assert "The dataset changed" in text_of(compare(client, good, bad))


@pytest.mark.slow
def test_pages_round_what_the_api_gives_in_full(client):
    phase = make_phase(decimals=None)
    team = make_team("a")
    make_entry(phase, team, public={"auc": 0.8909196643148141, "auc_ci": {"patient": [0.8737185493752317, 0.9]}})
    for page in (URL, f"{URL}?show=all", f"{URL}history/", f"{URL}history/?team={team.pk}"):
        text = text_of(client.get(page))
        assert "0.8909" in text
        assert not re.search(r"\.\d{5,}", text)  # times, too, stand to the second
    assert b"0.8909196643148141" in client.get(f"{URL}leaderboard.csv").content
