"""A phase: open from its first instant to before its last, with limits, decimals and quotas that make sense."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from submissions.models import Phase, Quota
from submissions.models.phase import MAX_WINDOW
from submissions.tests.factories import make_dataset, make_phase, make_staff, make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("now", "is_open", "has_ended"),
    [
        (NOON - TICK, False, False),
        (NOON, True, False),
        (NOON + timedelta(days=1) - TICK, True, False),
        (NOON + timedelta(days=1), False, True),
    ],
)
def test_a_phase_is_open_from_its_first_instant_to_before_its_last(now, is_open, has_ended):
    phase = make_phase(opens_at=NOON, closes_at=NOON + timedelta(days=1))
    assert (phase.is_open(now), phase.has_ended(now)) == (is_open, has_ended)


def test_a_phase_without_an_end_never_ends():
    phase = make_phase(opens_at=NOON)
    assert (phase.is_open(NOON + timedelta(days=9999)), phase.has_ended(NOON + timedelta(days=9999))) == (True, False)


@pytest.mark.parametrize(("has_ended", "is_staff", "private"), [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 1)])
def test_private_numbers_are_for_staff_until_the_end(has_ended, is_staff, private):
    phase = make_phase(opens_at=NOON, closes_at=NOON + timedelta(hours=1), disclosure="competition")
    shown = phase.shown_splits(make_staff("operator") if is_staff else make_user(), NOON + timedelta(hours=has_ended))
    assert shown == (["public", "private"] if private else ["public"])


@pytest.mark.parametrize(
    ("splits", "has_ended", "split"),
    [
        (["private"] * 10, 1, "private"),
        (["private"] * 10, 0, "public"),
        (None, 1, "public"),
        (["sample"] * 10, 1, "public"),
    ],
)
def test_the_private_cases_rank_in_the_end_where_there_are_any(splits, has_ended, split):
    phase = make_phase(make_dataset(splits=splits), opens_at=NOON, closes_at=NOON + timedelta(hours=1))
    assert phase.board_split(NOON + timedelta(hours=has_ended)) == split


def test_who_sees_which_phases_and_boards():
    for hidden in (False, True):
        for public in (False, True):
            make_phase(slug=f"{hidden}-{public}".lower(), is_hidden=hidden, board_is_public=public)
    anybody, staff = make_user(), make_staff("operator")

    def slugs(rows):
        return sorted(rows.values_list("slug", flat=True))

    assert slugs(Phase.objects.visible_to(anybody)) == ["false-false", "false-true"]
    assert slugs(Phase.objects.boards_visible_to(anybody)) == ["false-true"]
    assert len(slugs(Phase.objects.visible_to(staff))) == len(slugs(Phase.objects.boards_visible_to(staff))) == 4


def test_limits_are_the_sites_where_the_phase_says_nothing(settings):
    settings.EVALUATION_MEMORY_MIB, settings.EVALUATION_CPUS = 5000, 3.5
    settings.EVALUATION_TIMEOUT_SECONDS, settings.DOCKER_STARTUP_WAIT_SECONDS = 700, 50
    assert make_phase().limits().as_dict() == {
        "memory_mib": 5000, "cpus": 3.5, "timeout_s": 700.0, "startup_s": 50.0, "predict_timeout_s": 300.0,
        "parallel": 1, "gpu": False, "root_mib": 2048,
    }  # fmt: skip
    own = {
        "memory_mib": 64,
        "cpus": 0.5,
        "timeout_s": 9,
        "startup_s": 8,
        "predict_timeout_s": 7,
        "parallel": 2,
        "gpu": True,
        "root_mib": 64,
    }
    assert make_phase(**own).limits().as_dict() == own


VALUE = {"auc": 0.123456, "n": 7, "pair": [0.98765, None], "name": "x", "both": (0.55555, {"deep": 1.23456})}


def test_every_float_inside_a_value_is_rounded_and_nothing_else():
    assert make_phase(decimals=2).rounded(VALUE) == {
        "auc": 0.12, "n": 7, "pair": [0.99, None], "name": "x", "both": [0.56, {"deep": 1.23}],
    }  # fmt: skip
    assert make_phase(decimals=0).rounded(0.7) == 1.0
    assert make_phase(decimals=None).rounded(VALUE) == VALUE | {"both": [0.55555, {"deep": 1.23456}]}


WRONG = [
    ({"closes_at": NOON}, "closes_at"),
    ({"closes_at": NOON - TICK}, "closes_at"),
    ({"metric": "macro_f1"}, "metric"),
    ({"metric": "nonsense"}, "metric"),
    ({"tie_breaks": ["auc", "nonsense"]}, "tie_breaks"),
    ({"tie_breaks": "auc"}, "tie_breaks"),
    ({"decimals": 16}, "decimals"),
    ({"memory_mib": 63}, "memory_mib"),
    ({"cpus": 0.09}, "cpus"),
    ({"timeout_s": 0}, "timeout_s"),
    ({"startup_s": 0}, "startup_s"),
    ({"predict_timeout_s": 0}, "predict_timeout_s"),
    ({"parallel": 0}, "parallel"),
    ({"memory_mib": 4 * 2**20 + 1}, "memory_mib"),
    ({"root_mib": 2**20 + 1}, "root_mib"),
    ({"cpus": 256.1}, "cpus"),
    ({"timeout_s": 3601}, "timeout_s"),
    ({"startup_s": 3601}, "startup_s"),
    ({"predict_timeout_s": 86_401}, "predict_timeout_s"),
    ({"parallel": 65}, "parallel"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
def test_what_makes_no_sense_is_refused_by_its_field(fields, field):
    with pytest.raises(ValidationError) as refused:
        make_phase(opens_at=NOON, **fields).clean()
    assert set(refused.value.message_dict) == {field}


@pytest.mark.parametrize(
    "fields",
    [
        {"closes_at": NOON + TICK},
        {"metric": "brier", "tie_breaks": ["auc", "brier"]},
        {"decimals": 15},
        {"decimals": 0},
        {"memory_mib": 64, "cpus": 0.1, "timeout_s": 1, "startup_s": 1, "predict_timeout_s": 1, "parallel": 1},
        {
            "memory_mib": 4 * 2**20, "root_mib": 2**20, "cpus": 256, "timeout_s": 3600, "startup_s": 3600,
            "predict_timeout_s": 86_400, "parallel": 64,
        },
    ],
)  # fmt: skip
def test_what_lies_on_the_bound_is_taken(fields):
    make_phase(opens_at=NOON, **fields).clean()


def test_no_run_of_a_phase_outlasts_the_sites_longest(settings):
    """A worker's process is ended some time after that: the attempt would be lost, and counted as a fault of ours."""
    settings.EVALUATION_TIMEOUT_SECONDS = 600.0
    make_phase(slug="on", timeout_s=600).clean()
    with pytest.raises(ValidationError, match=r"Give 1 to 600\. The operator sets the longest run"):
        make_phase(timeout_s=601).clean()


def test_several_mistakes_are_told_at_once():
    with pytest.raises(ValidationError) as refused:
        make_phase(opens_at=NOON, closes_at=NOON, metric="x", decimals=99, parallel=0).clean()
    assert set(refused.value.message_dict) == {"closes_at", "metric", "decimals", "parallel"}


@pytest.mark.parametrize(
    ("window", "period"),
    [
        (None, "in the whole phase"),
        (timedelta(days=1), "every day"),
        (timedelta(days=7), "every 7 days"),
        (timedelta(hours=1), "every hour"),
        (timedelta(hours=36), "every 36 hours"),
        (timedelta(minutes=90), "every 90 minutes"),
        (timedelta(seconds=1), "every second"),
        (timedelta(seconds=61), "every 61 seconds"),
    ],
)
def test_a_quota_says_its_period_in_the_longest_unit_that_fits(window, period):
    assert Quota(tries=3, window=window).period == period
    assert str(Quota(tries=3, window=window)) == f"3 {period}"


@pytest.mark.parametrize(
    ("window", "is_right"),
    [
        (None, True),
        (timedelta(seconds=1), True),
        (timedelta(seconds=1) - TICK, False),
        (MAX_WINDOW, True),
        (MAX_WINDOW + TICK, False),
    ],
)
def test_a_window_lasts_from_a_second_to_ten_years(window, is_right):
    quota = Quota(phase=make_phase(), tries=1, window=window)
    if is_right:
        quota.clean()
    else:
        with pytest.raises(ValidationError, match="one second to ten years"):
            quota.clean()


def test_a_quota_of_no_tries_is_refused_by_the_database():
    phase = make_phase()
    with pytest.raises(IntegrityError), transaction.atomic():
        Quota.objects.create(phase=phase, tries=0)
    Quota.objects.create(phase=phase, tries=1)
