"""Organisers set up phases: checks explain, limits and windows are readable, the board follows a change."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from leaderboard import tasks
from leaderboard.models import Standing
from submissions.admin.lists.display import duration, window
from submissions.admin.phase_form import WindowField
from submissions.models import Dataset, Evaluation, Membership, Phase, Quota, RegistryCredential, Team
from submissions.models.team import team_of
from submissions.phases.warnings import phase_warnings
from submissions.teams.membership import join_team
from submissions.tests.factories import (
    evaluated,
    make_dataset,
    make_member,
    make_phase,
    make_staff,
    make_submission,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PHASES = reverse("admin:submissions_phase_changelist")
SPLIT = ["public"] * 4 + ["private"] * 4 + ["sample"] * 2


@pytest.fixture
def staff(client):
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return client


def form(dataset=None, quotas=(), **changed):
    """Return what the browser sends from a filled-in phase page."""
    fields = {
        "title": "Lesions", "slug": "lesions", "opens_at_0": "2027-01-01", "opens_at_1": "00:00:00", "closes_at_0": "",
        "closes_at_1": "", "description": "", "accepts_csv": "on", "board_is_public": "on", "metric": "",
        "tie_breaks": "", "decimals": "4", "disclosure": "practice", "score_digits": "3", "interval_digits": "2",
        "ladder_step": "0.01", "predict_timeout_s": "300", "parallel": "1",
        "quotas-TOTAL_FORMS": str(len(quotas)), "quotas-INITIAL_FORMS": "0",
    }  # fmt: skip
    if dataset:
        fields["dataset"] = dataset.pk
    for number, (tries, span) in enumerate(quotas):
        fields |= {f"quotas-{number}-tries": tries, f"quotas-{number}-window": span}
    return fields | changed


def problems(response):
    return " ".join(str(error) for errors in response.context["adminform"].form.errors.values() for error in errors)


def add(staff, **fields):
    return staff.post(reverse("admin:submissions_phase_add"), form(**fields), follow=True)


@pytest.mark.slow
def test_a_phase_is_opened_with_quotas_typed_as_people_say_them(staff):
    add(
        staff,
        dataset=make_dataset(),
        quotas=[(2, "7d"), (5, "12 hours"), (30, "")],
        tie_breaks="average_precision, brier",
    )
    phase = Phase.objects.get()
    assert phase.tie_breaks == ["average_precision", "brier"]
    spans = {quota.tries: quota.window for quota in phase.quotas.all()}
    assert spans == {2: timedelta(days=7), 5: timedelta(hours=12), 30: None}
    page = staff.get(reverse("admin:submissions_phase_change", args=[phase.pk])).content.decode()
    assert 'value="7d"' in page
    assert 'value="average_precision, brier"' in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"closes_at_0": "2026-01-01", "closes_at_1": "00:00:00"}, "must close after it opens"),
        ({"metric": "macro_f1"}, "is no metric of lesion phases. Choose from: auc"),
        ({"tie_breaks": "nonsense"}, "Give a list of metrics. Choose from: auc"),
        ({"decimals": "16"}, "Give 0 to 15"),
        ({"score_digits": "0"}, "Give 1 to 15"),
        ({"interval_digits": "16"}, "Give 1 to 15"),
        ({"ladder_step": "0"}, "Give more than 0"),
        ({"ladder_step": "1.5"}, "Give more than 0"),
        ({"slug": "no slug"}, "valid"),
        ({"cpus": "-1"}, "Give 0.1 to 256"),
        ({"parallel": "0"}, "Give 1 to 64"),
        ({"memory_mib": "3"}, "Give 64 to 4,194,304"),
    ],
)
def test_checks_explain_what_to_do(staff, changed, sentence):
    response = add(staff, dataset=make_dataset(), **changed)
    assert sentence in problems(response)
    assert not Phase.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["week", "7", "-1d", "0d", "1.5h", "7x"])
def test_a_window_that_cannot_be_read_says_what_can(staff, text):
    page = add(staff, dataset=make_dataset(), quotas=[(1, text)]).content.decode()
    assert "Give a number and a unit: 7d, 12h, 90m, 2w" in page
    assert not Quota.objects.exists()


@pytest.mark.slow
def test_a_window_longer_than_the_calendar_is_refused(staff):
    page = add(staff, dataset=make_dataset(), quotas=[(1, "99999w")]).content.decode()
    assert "one second to ten years" in page
    assert not Quota.objects.exists()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("7d", timedelta(days=7)), ("2 weeks", timedelta(days=14)), ("12H", timedelta(hours=12)), ("", None),
        ("90 min", timedelta(minutes=90)), ("30s", timedelta(seconds=30)), ("all", None),
    ],
)  # fmt: skip
def test_windows_are_read(text, span):
    assert WindowField().clean(text) == span


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(days=7), "7d"),
        (timedelta(hours=36), "36h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=5), "5s"),
    ],
)
def test_windows_are_written_as_they_are_typed(span, text):
    assert window(span) == text
    assert WindowField().clean(text) == span


@pytest.mark.parametrize(("seconds", "text"), [(-5, "0 s"), (59, "59 s"), (7500, "2 h 5 min"), (90061, "1 d 1 h")])
def test_ages_are_short_and_never_negative(seconds, text):
    assert duration(seconds) == text


def test_a_limit_left_empty_says_what_the_site_gives(staff, settings):
    settings.EVALUATION_MEMORY_MIB, settings.DOCKER_STARTUP_WAIT_SECONDS = 1234, 56
    page = staff.get(reverse("admin:submissions_phase_add")).content.decode()
    assert "Empty: the site's own, 1234 MB." in page
    assert "memory (MB)" in page.replace("Memory (MB)", "memory (MB)")
    assert "Until it answers. Empty: the site's own, 56 s." in page


@pytest.mark.slow
def test_the_dataset_of_a_used_phase_stays(staff):
    submission = make_submission()
    page = staff.get(reverse("admin:submissions_phase_change", args=[submission.phase_id])).content.decode()
    assert 'name="dataset"' not in page
    assert 'name="metric"' in page


@pytest.mark.slow
def test_another_metric_ranks_the_board_anew(staff):
    submission = evaluated()
    phase, scores = submission.phase, submission.latest.scores["public"]
    assert Standing.objects.get().score == scores["auc"]
    url = reverse("admin:submissions_phase_change", args=[phase.pk])
    changed = form(title=phase.title, slug=phase.slug, metric="brier", opens_at_0="2026-01-01")
    response = staff.post(url, changed, follow=True)
    assert "recomputed: 1 team." in response.content.decode()
    assert Standing.objects.get().score == scores["brier"]
    assert Standing.objects.get().sort_key < 0  # lower is better


def test_only_who_decides_about_all_phases_puts_one_before_the_others(client, staff):
    phase = make_phase(slug="lesions", accepts_docker=False)
    page = reverse("admin:submissions_phase_change", args=[phase.pk])
    sent = form(phase.dataset, priority="9")
    client.force_login(make_staff("organiser", phase))
    assert client.post(page, sent)["Location"] == PHASES
    assert Phase.objects.get().priority == 0
    client.force_login(make_user("chief", is_staff=True, is_superuser=True))
    assert client.post(page, sent)["Location"] == PHASES
    assert Phase.objects.get().priority == 9


@pytest.mark.slow
def test_a_long_board_is_ranked_anew_by_a_worker(staff, monkeypatch):
    monkeypatch.setattr("leaderboard.writing.RANKED_AT_ONCE", 0)
    submission = evaluated()
    phase, scores = submission.phase, submission.latest.scores["public"]
    changed = form(title=phase.title, slug=phase.slug, metric="brier", opens_at_0="2026-01-01")
    response = staff.post(reverse("admin:submissions_phase_change", args=[phase.pk]), changed, follow=True)
    assert "A worker is recomputing the leaderboard: 1 entries" in response.content.decode()
    assert Standing.objects.get().score == scores["auc"]
    message = OrmQ.objects.last().task
    assert message["func"] == "leaderboard.tasks.recompute_standings"
    tasks.recompute_standings(*message["args"])
    assert Standing.objects.get().score == scores["brier"]


@pytest.mark.slow
def test_what_was_overlooked_is_said(staff):
    bare = make_phase(disclosure="competition", ladder_step=None)
    output = " ".join(phase_warnings(bare))
    for text in (
        "No quota",
        "No ladder step",
        "participants see one number",
        "no private split",
        "10 cases have no image",
        "no sample cases",
    ):
        assert text in output, text
    page = staff.get(reverse("admin:submissions_phase_change", args=[bare.pk])).content.decode()
    assert "No quota" in page


def test_an_organiser_is_told_where_the_same_cases_are_open():
    hidden = make_phase(disclosure="competition")
    practice = make_phase(hidden.dataset, disclosure="practice")
    twin = make_phase(hidden.dataset, disclosure="competition")
    assert f"It shares its cases with '{practice.slug}', where they are open." in phase_warnings(hidden)
    assert f"It shares its cases with '{hidden.slug}', where they are hidden." in phase_warnings(practice)
    assert sum("shares its cases" in line for line in phase_warnings(hidden)) == 1
    assert f"It shares its hidden cases with '{twin.slug}': a team has the tries of both" in " ".join(
        phase_warnings(hidden)
    )
    assert "hidden cases" not in " ".join(phase_warnings(practice))


def test_an_organiser_is_told_of_the_same_cases_in_another_version_of_the_dataset():
    """Each version draws its own sample cases, whose truth is shown."""
    first = make_phase(disclosure="competition", slug="first")
    later = make_dataset()
    Dataset.objects.filter(pk=later.pk).update(name=first.dataset.name, version=2)
    second = make_phase(Dataset.objects.get(pk=later.pk), disclosure="competition", slug="second")
    assert "with 'second' (version 2 of its dataset): where the split differs" in " ".join(phase_warnings(first))
    assert "with 'first' (version 1 of its dataset): where the split differs" in " ".join(phase_warnings(second))
    Phase.objects.filter(pk=first.pk).update(closes_at=timezone.now())
    told = "It shares its cases with 'first' (version 1 of its dataset), where they are open."
    assert told in phase_warnings(second)


def test_practice_over_private_cases_is_named():
    phase = make_phase(make_dataset(splits=["private"] * 10), disclosure="practice")
    assert any("private cases are shown at once" in line for line in phase_warnings(phase))

    dataset = make_dataset(splits=SPLIT)
    dataset.cases.update(image="data/v1/x.mha")
    closes_at = timezone.now() + timedelta(days=1)
    complete = make_phase(dataset, quotas=[(1, None)], closes_at=closes_at, needs_approval=True)
    assert phase_warnings(complete) == []
    assert "no end" in " ".join(phase_warnings(make_phase(dataset, quotas=[(1, None)])))


@pytest.mark.slow
def test_addresses_that_nobody_confirms_are_named_unless_participants_need_approval(staff, settings):
    phase = make_phase()
    sentence = "No mail server confirms addresses"
    page = reverse("admin:submissions_phase_change", args=[phase.pk])
    assert sentence in " ".join(phase_warnings(phase))
    new = [reverse("admin:submissions_phase_add"), reverse("organise_phase_new", args=[phase.challenge.slug])]
    for form in (page, *new):
        assert sentence in staff.get(form).content.decode(), form
    assert sentence in staff.get(reverse("admin:index")).content.decode()
    phase.challenge.needs_approval = True
    assert sentence not in " ".join(phase_warnings(phase))
    phase.challenge.needs_approval, settings.ACCOUNT_EMAIL_VERIFICATION = False, "mandatory"
    assert sentence not in " ".join(phase_warnings(phase))
    assert sentence not in staff.get(reverse("admin:index")).content.decode()


@pytest.mark.slow
def test_a_phase_with_submissions_cannot_be_deleted(staff):
    submission = make_submission()
    staff.post(reverse("admin:submissions_phase_delete", args=[submission.phase_id]), {"post": "yes"})
    assert Phase.objects.filter(pk=submission.phase_id).exists()


@pytest.mark.slow
def test_re_evaluating_all_asks_first(staff):
    phase = make_phase()
    for _ in range(2):
        evaluated(phase=phase)
    make_submission(phase=phase)
    data = {"action": "re_evaluate_all", "_selected_action": [phase.pk]}
    page = staff.post(PHASES, data).content.decode()
    assert "Evaluate 2 once more" in page
    assert Evaluation.objects.waiting().count() == 1
    response = staff.post(PHASES, data | {"confirmed": "yes"}, follow=True)
    assert "2 queued again" in response.content.decode()
    assert Evaluation.objects.waiting().count() == 3


def test_datasets_count_their_cases_and_say_how_to_import(staff):
    dataset = make_dataset(splits=SPLIT)
    page = staff.get(reverse("admin:submissions_dataset_changelist")).content.decode()
    for field, count in {"public": 4, "private": 4, "sample": 2, "with_image": 0}.items():
        assert f'class="field-{field}">{count}<' in page
    assert "import_dataset --kind lesion" in page
    assert dataset.content_hash[:12] in page
    assert staff.get(reverse("admin:submissions_dataset_add")).status_code == 403
    cases = staff.get(reverse("admin:submissions_case_changelist") + f"?dataset__id__exact={dataset.pk}")
    assert len(cases.context["cl"].result_list) == 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dataset", "phase", "team", "case"])
def test_longer_lists_cost_no_more_queries(staff, name):
    def page():
        with CaptureQueriesContext(connection) as queries:
            staff.get(reverse(f"admin:submissions_{name}_changelist"))
        return len(queries)

    make_submission(phase=make_phase(quotas=[(3, None)]))
    few = page()
    for _ in range(5):
        make_submission(phase=make_phase(quotas=[(3, None), (2, timedelta(days=1))]))
    assert page() == few


def test_a_team_shows_its_members_and_takes_a_new_code(staff):
    team = Membership.objects.get(user=make_member("ada")).team
    page = staff.get(reverse("admin:submissions_team_change", args=[team.pk])).content.decode()
    assert "ada" in page
    staff.post(reverse("admin:submissions_team_changelist"), {"action": "new_code", "_selected_action": [team.pk]})
    assert Team.objects.get(pk=team.pk).code != team.code


def test_a_user_cannot_be_put_into_a_second_team(staff):
    member, other = make_member(), Membership.objects.get(user=make_member()).team
    mine = other.memberships.get()
    data = {
        "name": other.name, "memberships-TOTAL_FORMS": "2", "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": mine.pk, "memberships-0-team": other.pk, "memberships-0-user": mine.user_id,
        "memberships-1-team": other.pk, "memberships-1-user": member.pk,
    }  # fmt: skip
    page = staff.post(reverse("admin:submissions_team_change", args=[other.pk]), data).content.decode()
    assert "already exists" in page
    assert other.memberships.count() == 1


@pytest.mark.parametrize("is_replaced", [False, True])
def test_whoever_is_taken_out_of_a_team_takes_along_what_opens_it(staff, is_replaced):
    owner, gone, new = make_member("owner"), make_user("gone"), make_user("new")
    team = team_of(owner)
    join_team(user=gone, code=team.code)
    code = Team.objects.get(pk=team.pk).code
    RegistryCredential.objects.create(team=team, host="registry.example.org", username="gone")
    rows = [owner.membership, gone.membership]
    data = {"name": team.name, "memberships-TOTAL_FORMS": "2", "memberships-INITIAL_FORMS": "2"}
    for number, row in enumerate(rows):
        user = new.pk if is_replaced and row == gone.membership else row.user_id
        row_data = {"id": row.pk, "team": team.pk, "user": user} | ({"is_owner": "on"} if row.is_owner else {})
        data |= {f"memberships-{number}-{name}": value for name, value in row_data.items()}
    if not is_replaced:
        data["memberships-1-DELETE"] = "on"
    answer = staff.post(reverse("admin:submissions_team_change", args=[team.pk]), data)
    assert answer.status_code == 302, answer.context["errors"]
    names = {row.user.username: row.is_owner for row in team.memberships.select_related("user")}
    assert names == ({"owner": True, "new": False} if is_replaced else {"owner": True})
    assert Team.objects.get(pk=team.pk).code != code
    assert not RegistryCredential.objects.exists()
