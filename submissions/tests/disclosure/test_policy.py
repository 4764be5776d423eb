"""The disclosure policy as values: what is shown, rounded how far, and which scores the ladder lets through."""

import pytest

from submissions.disclosure import ITEMS, STATES, Entry, Show, View, climb, shows
from submissions.disclosure.policy import STAFF
from submissions.disclosure.rounding import clamped, places_of, significant, to_step
from submissions.disclosure.side_channels import (
    cases_of,
    memory_quarters,
    step_at_or_after,
    step_at_or_before,
    tenth,
    tenths_shown,
)

STORED = {
    "public": {
        "n": 300, "auc": 0.891234, "brier": 0.12345, "auc_ci": {"delong": [0.8, 0.9], "patient": [0.82345, 0.951]},
    },
    "private": {"n": 700, "auc": 0.77777, "brier": 0.2},
    "sample": {"n": 20, "auc": 0.66666, "calibration_slope": 31.4},
}  # fmt: skip
COMPETITION = View("competition", "auc", 4, step=0.01)


def test_a_competition_shows_of_the_counted_cases_the_ranking_score_alone():
    assert COMPETITION.scores(STORED, 0.89) == {
        "public": {"auc": 0.89, "auc_ci": {"shown": [0.82, 0.95]}},
        "sample": {"n": 20, "auc": 0.6667, "calibration_slope": 5.0},
    }


@pytest.mark.parametrize("method", ["logit", "newcombe"])
def test_how_the_interval_was_computed_is_not_told_before_the_end(method):
    """It depends on how many patients of the rarer class are among the public cases."""
    stored = STORED | {"public": {"auc": 0.89, "auc_ci": {method: [0.8235, 0.951]}}}
    assert COMPETITION.scores(stored, 0.89)["public"]["auc_ci"] == {"shown": [0.82, 0.95]}
    assert View("ended", "auc", 4).scores(stored, 0.89)["public"]["auc_ci"] == {method: [0.8235, 0.951]}


def test_a_score_that_the_ladder_does_not_show_has_no_interval_either():
    assert set(COMPETITION.scores(STORED, None)) == {"sample"}


@pytest.mark.parametrize("state", ["practice", "ended", STAFF])
def test_everybody_else_sees_every_split(state):
    shown = View(state, "auc", 4).scores(STORED, 0.89)
    assert {split: scores["n"] for split, scores in shown.items()} == {"public": 300, "private": 700, "sample": 20}
    assert shown["public"]["auc"] == 0.8912


def test_full_precision_is_the_stored_number_and_not_clamped():
    shown = View("practice", "auc", None).scores(STORED, None)
    assert (shown["public"]["auc"], shown["sample"]["calibration_slope"]) == (0.891234, 31.4)


def test_curves_of_hidden_cases_are_for_the_end():
    curves = {split: {"roc": [[0.0, 0.12345]]} for split in ("public", "private", "sample")}
    assert COMPETITION.curves(curves) == {"sample": {"roc": [[0.0, 0.1235]]}}
    assert set(View("ended", "auc", 4).curves(curves)) == set(curves)


def test_staff_see_every_line_in_full_and_the_end_opens_every_line():
    # A log of hidden cases is for staff for ever; single cases wait until staff publish the truth.
    opened = set(ITEMS) - {"hidden_log", "counted_cases"}
    assert {shows(state, name) for state in ("ended", "practice") for name in opened} == {Show.FULL}
    assert {shows(STAFF, name) for name in ITEMS} == {Show.FULL}
    assert {shows(state, "hidden_log") for state in STATES} == {Show.NOTHING}
    assert [shows(state, "counted_cases") for state in STATES] == [Show.FULL, Show.NOTHING, Show.PUBLISHED]
    assert STATES == ("practice", "competition", "ended")


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(0.891234, 3, 0.891), (0.08927, 2, 0.089), (0.9996, 3, 1.0), (1.234, 2, 1.2), (0.0, 3, 0.0),
     (-0.01234, 2, -0.012)],
)  # fmt: skip
def test_significant_digits(value, digits, shown):
    assert significant(value, digits) == shown


@pytest.mark.parametrize(
    ("metric", "value", "shown"),
    [("calibration_slope", 31.4, 5.0), ("calibration_slope", -3, -1), ("log_loss", 36.04, 2.0), ("auc", 0.5, 0.5),
     ("calibration_intercept", -9, -5), ("calibration_intercept", 9, 5)],
)  # fmt: skip
def test_a_number_without_bounds_is_clamped(metric, value, shown):
    assert clamped(metric, value) == shown


def test_steps_have_no_binary_dust():
    assert (to_step(0.29, 0.01), to_step(0.285, 0.05), to_step(0.12345, 0)) == (0.29, 0.3, 0.12345)
    assert [places_of(step) for step in (0.01, 0.1, 1, 0.005)] == [2, 1, 0, 3]


def shown_scores(scores, *, step=0.01, higher=True, metric="auc"):
    entries = [Entry(number, score) for number, score in enumerate(scores)]
    return climb(entries, metric=metric, step=step, digits=3, higher_is_better=higher)


@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ([0.8512], {0: 0.85}),
        ([0.8512, 0.8592, 0.861], {0: 0.85, 2: 0.86}),  # 0.8592 is better than 0.85, but not by a step
        ([0.85, 0.86], {0: 0.85, 1: 0.86}),  # by exactly a step
        ([0.9, 0.5, 0.9099, 0.91], {0: 0.9, 3: 0.91}),
        ([0.856, 0.866], {0: 0.86}),  # the bar is the rounded score that was shown
        ([], {}),
    ],
)
def test_a_new_best_is_shown_only_when_it_beats_the_last_by_a_step(scores, shown):
    assert shown_scores(scores) == shown


def test_where_lower_is_better_the_ladder_goes_down():
    assert shown_scores([0.5, 0.495, 0.47, 9.0], higher=False, metric="log_loss") == {0: 0.5, 2: 0.47}


@pytest.mark.parametrize(("step", "shown"), [(0.01, {0: 2.0, 2: 1.9}), (0, {0: 2.0, 1: 2.0, 2: 1.9})])
def test_the_ladder_neither_shows_nor_compares_what_lies_beyond_the_range(step, shown):
    """A log loss can be made as large as one likes, a label in each digit: 5 and 4 are both the end of the range, 2."""
    assert shown_scores([5.0, 4.0, 1.9], step=step, higher=False, metric="log_loss") == shown


def test_the_interval_of_a_shown_score_ends_where_the_range_does():
    stored = {"public": {"log_loss": 1.9, "log_loss_ci": {"loss": [1.4444, 2.6]}}}
    found = View("competition", "log_loss", 4, step=0.01).scores(stored, 1.9)
    assert found["public"] == {"log_loss": 1.9, "log_loss_ci": {"shown": [1.4, 2.0]}}


def test_without_a_step_every_score_is_shown_in_significant_digits():
    assert shown_scores([0.85123, 0.85124, 0.2], step=0) == {0: 0.851, 1: 0.851, 2: 0.2}


def test_a_baseline_sets_no_bar():
    entries = [Entry("baseline", 0.95, is_baseline=True), Entry("own", 0.7)]
    shown = climb(entries, metric="auc", step=0.01, digits=3, higher_is_better=True)
    assert shown == {"baseline": 0.95, "own": 0.7}


@pytest.mark.parametrize(
    ("seconds", "after", "before"),
    [(0, 10, 0), (0.2, 10, 0), (10, 10, 10), (10.1, 20, 10), (99, 100, 90), (100, 100, 100), (101, 110, 100),
     (110, 110, 110), (111, 121, 110), (3600, 3740, 3400)],
)  # fmt: skip
def test_a_run_time_is_told_in_steps_of_ten_seconds_and_then_ten_percent(seconds, after, before):
    assert (step_at_or_after(seconds), step_at_or_before(seconds)) == (after, before)


@pytest.mark.parametrize(("done", "total", "tenths"), [(0, 0, 0), (0, 5, 0), (1, 10, 1), (29, 30, 9), (30, 30, 10)])
def test_progress_is_told_in_tenths(done, total, tenths):
    assert tenth(done, total) == tenths
    assert cases_of(tenths, total) <= done


def test_progress_moves_on_the_steps_of_the_run_time_only():
    reached = [1.0, 3.0, 9.9, 10.1, 19.0]
    shown = [tenths_shown(reached, elapsed_s) for elapsed_s in (0, 9.9, 11.9, 12.1, 21.9, 22.1)]
    assert shown == [0, 0, 0, 3, 3, 5]
    assert tenths_shown([10.0], 12.0) == 1  # what was reached on the step itself


@pytest.mark.parametrize(
    ("peak_mib", "limit_mib", "quarters"),
    [(0, 100, 1), (25, 100, 1), (26, 100, 2), (100, 100, 4), (130, 100, 4), (9, 0, 4)],
)  # fmt: skip
def test_memory_is_told_in_quarters_of_the_limit(peak_mib, limit_mib, quarters):
    assert memory_quarters(peak_mib << 20, limit_mib) == quarters


def test_the_latency_on_the_board_is_of_sample_cases_and_has_one_digit():
    timings = {"latency_median_s": 1.23456, "sample_latency_median_s": 0.0456}
    assert COMPETITION.latency_s(timings) == 0.05
    assert View("ended", "auc", 4).latency_s(timings) == 1.235
    assert COMPETITION.latency_s({"latency_median_s": 1.23456}) is None


@pytest.mark.parametrize(
    ("view", "score", "end"),
    [(COMPETITION, "0.90", "0.90"), (View("competition", "auc", 4), "0.900", "0.90"),
     (View("ended", "auc", 4), "0.9000", "0.9000"), (View("practice", "auc", None), "0.9000", "0.9000")],
)  # fmt: skip
def test_a_page_shows_no_more_digits_than_the_view(view, score, end):
    assert (view.score_text(0.9), view.end_text(0.9), view.score_text(None)) == (score, end, "–")
