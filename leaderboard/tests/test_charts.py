"""The history's picture and the bars of the board: values where they belong, labels at the ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.template import Context, Template

from leaderboard.charts import history_chart, round_ticks
from leaderboard.columns import Column
from leaderboard.history import HistoryPoint
from leaderboard.standings import BoardRow, Page
from leaderboard.templatetags.scores import bar_marks, interval_axis, interval_bar, p_value, points, shown
from leaderboard.views import scale_of
from submissions.disclosure import View
from submissions.disclosure.rounding import rounded

DAY = datetime(2026, 3, 1, tzinfo=UTC)
VIEW = View("ended", "auc", 2)


def moments(*scores):
    """Entries (score, best so far) a day apart."""
    return [
        HistoryPoint(DAY + timedelta(days=i), f"s{i}", "team", score, None, None, best)
        for i, (score, best) in enumerate(scores)
    ]


def test_a_history_of_one_entry_has_no_picture():
    assert history_chart([]) is None
    assert history_chart(moments((0.5, 0.5))) is None
    assert history_chart(moments((0.5, 0.5), (0.6, 0.6))) is not None


def test_entries_stand_between_the_axes_by_time_and_score():
    chart = history_chart(moments((0.5, 0.5), (0.4, 0.5), (0.9, 0.9)))
    # 0.4 and 0.9 have 8 % of their distance above and below, then round values around: 0.2 at y = 212, 1 at y = 12.
    at = {value: 212 - (value - 0.2) / 0.8 * 200 for value in (0.4, 0.5, 0.9)}
    assert chart.dots == [pytest.approx((56, at[0.5])), pytest.approx((340, at[0.4])), pytest.approx((624, at[0.9]))]
    assert chart.steps == [
        pytest.approx(point)
        for point in [(56, at[0.5]), (340, at[0.5]), (340, at[0.5]), (624, at[0.5]), (624, at[0.9])]
    ]
    assert [text for _, text in chart.y_labels] == ["0.2", "0.4", "0.6", "0.8", "1"]
    assert [y for y, _ in chart.y_labels] == pytest.approx([212, 162, 112, 62, 12])
    assert (chart.first_day, chart.last_day) == ("2026-03-01", "2026-03-03")
    assert (chart.width, chart.height, chart.left, chart.right, chart.bottom) == (640, 240, 56, 624, 212)


def test_the_interval_of_an_entry_is_drawn_to_its_ends_and_none_where_there_is_none():
    first, second = moments((0.5, 0.5), (0.9, 0.9))
    chart = history_chart([replace(first, low=0.2, high=0.6), second])
    # 0.2 and 0.9 have 8 % of their distance below and above, then round values around: 0 at y = 212, 1 at y = 12.
    assert chart.whiskers == [pytest.approx((56, 92, 172))]
    assert [text for _, text in chart.y_labels] == ["0", "0.5", "1"]


def test_the_axis_of_shares_ends_at_one():
    first, second = moments((0.69, 0.69), (1.0, 1.0))
    chart = history_chart([replace(first, low=0.19, high=0.96), replace(second, low=0.5, high=1.0)])
    assert [text for _, text in chart.y_labels] == ["0", "0.5", "1"]


def test_equal_scores_lie_in_the_middle():
    chart = history_chart(moments((0.5, 0.5), (0.5, 0.5)))
    assert [y for _, y in chart.dots] == pytest.approx([112, 112])
    assert [text for _, text in chart.y_labels] == ["0.49", "0.495", "0.5", "0.505", "0.51"]


def test_entries_of_one_instant_stand_above_each_other_in_the_middle():
    same = [HistoryPoint(DAY, "s", "team", score, None, None, score) for score in (0.5, 0.9)]
    assert [x for x, _ in history_chart(same).dots] == [340, 340]


def row(score, low=None, high=None):
    return BoardRow(1, "team", 1, "s", score, low, high, {}, DAY, False, False)


def test_a_bar_runs_over_the_interval_and_marks_the_score():
    # The bar is 120 wide with 4 free at both ends: the scale from 0 to 1 has 112.
    assert bar_marks(row(0.5, 0.25, 1.0), (0.0, 1.0), VIEW) == {
        "left": "32.0", "right": "116.0", "band": "84.0", "at": "60.0", "label": "0.25 to 1.00",
        "grid": "M4.0 0v16M60.0 0v16M116.0 0v16",
    }  # fmt: skip
    drawn = interval_bar(row(0.5, 0.25, 1.0), (0.0, 1.0), VIEW)
    assert drawn.startswith('<svg width="120" height="16" viewBox="0 0 120 16" role="img" aria-label="0.25 to 1.00">')
    assert '<rect class="band" x="32.0" y="4" width="84.0" height="8" />' in drawn
    assert 'd="M32.0 3v10M116.0 3v10"' in drawn
    assert '<circle class="dot" cx="60.0"' in drawn


def test_a_score_without_interval_is_a_mark_alone():
    drawn = bar_marks(row(0.25), (0.0, 1.0), VIEW)
    assert (drawn["left"], drawn["at"], drawn["right"], drawn["band"]) == ("32.0", "32.0", "32.0", "0.5")
    assert drawn["label"] == "no interval"


def test_no_score_has_no_bar():
    assert interval_bar(row(None), (0.0, 1.0), VIEW) == '<span class="muted">–</span>'


@pytest.mark.parametrize(("scale", "at"), [((0.5, 0.5), "60.0"), ((0.0, 0.5), "116.0"), ((0.9, 1.0), "4.0")])
def test_a_score_outside_the_scale_stays_in_the_picture(scale, at):
    assert bar_marks(row(0.7), scale, VIEW)["at"] == at


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (Column("x", lambda row: "<b>x", is_number=True), '<td class="num extra">&lt;b&gt;x</td>'),
        (Column("x", lambda row: None), '<td class="extra">–</td>'),
        (
            Column("x", lambda row: None, cell=lambda row, view: f"{row.team} & {view.metric}"),
            '<td class="extra">&lt;i&gt; &amp; auc</td>',
        ),
        (
            Column("team", lambda row: None, cell="leaderboard/cells/team.html"),
            '<th scope="row" class="break">&lt;i&gt;',
        ),
    ],
)
def test_what_people_wrote_is_escaped_in_every_sort_of_cell(column, cell):
    known = {"board": SimpleNamespace(view=VIEW), "row": replace(row(0.5), team="<i>"), "columns": [column]}
    page = Context({**known, "page": Page([known["row"]], 1, 1, 1)})
    cells = Template("{% load scores %}{% row_cells row columns %}")
    assert cells.render(page).startswith(cell)
    assert cells.render(page).startswith(cell)  # written before, and still safe


def test_the_scale_of_a_page_holds_every_interval():
    assert scale_of([row(0.5, 0.4, 0.6), row(0.8), row(None), row(0.3, 0.2, 0.9)]) == (0.2, 1.0)
    assert scale_of([row(0.5, 0.42, 0.58)]) == pytest.approx((0.4, 0.6))
    assert scale_of([row(None)]) == (0.0, 1.0)
    assert scale_of([]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("ends", "ticks"),
    [
        ((0.2, 0.9), [0.2, 0.4, 0.6, 0.8, 1.0]),
        ((0.42, 0.58), [0.4, 0.45, 0.5, 0.55, 0.6]),
        ((0.0, 1.0), [0.0, 0.5, 1.0]),
        ((0.8731, 0.8744), [0.873, 0.8735, 0.874, 0.8745]),
        ((-0.03, 0.04), [-0.04, -0.02, 0.0, 0.02, 0.04]),
        ((0.5, 0.5), [0.45, 0.5, 0.55]),
        ((3.0, 47.0), [0.0, 20.0, 40.0, 60.0]),
    ],
)
def test_ticks_are_round_and_hold_both_ends(ends, ticks):
    found = round_ticks(*ends)
    assert found == pytest.approx(ticks, abs=1e-9)
    assert "-0" not in [f"{tick:g}" for tick in found]


def test_the_axis_above_the_bars_names_ends_and_middle():
    drawn = interval_axis((0.2, 1.0))["ticks"]
    assert [(tick["x"], tick["text"], tick["anchor"]) for tick in drawn] == [
        ("4.0", "0.2", "start"), ("32.0", "", "middle"), ("60.0", "0.6", "middle"), ("88.0", "", "middle"),
        ("116.0", "1", "end"),
    ]  # fmt: skip


def test_numbers_near_zero_have_no_sign():
    assert shown(-0.00001, View("ended", "auc", 4)) == "0.0000"
    assert shown(-0.0, View("ended", "auc", None)) == "0.0000"
    assert str(rounded({"a": -0.00001}, 2)["a"]) == "0.0"


@pytest.mark.parametrize(
    ("value", "text"), [(0.04567, "0.0457"), (0.00001, "< 0.0001"), (0.0, "< 0.0001"), (None, "–")]
)
def test_a_p_value_is_never_zero(value, text):
    assert p_value(value) == text


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.12345, 2, "0.12"), (0.12345, None, "0.1235"), (None, 2, "–"), ("", 2, "–"), (0.0, 0, "0")],
)
def test_a_score_on_a_page(value, decimals, text):
    assert shown(value, View("ended", "auc", decimals)) == text


def test_points_of_a_line():
    assert points([(1, 2), (3.14, 4.25)]) == "1.0,2.0 3.1,4.2"
