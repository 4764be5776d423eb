"""Curves as SVG: the unit square in a box of 200, its y axis upwards."""

import pytest

from submissions.presenters.charts import LINE_CLASSES, banded_chart, charts_of, line, to_x, to_y
from submissions.templatetags.chart_numbers import number_rows


@pytest.mark.parametrize(("value", "x", "y"), [(0, 40, 210), (1, 240, 10), (0.25, 90, 160), (0.12345, 64.7, 185.3)])
def test_a_value_has_its_place_in_the_square(value, x, y):
    assert (to_x(value), to_y(value)) == (x, y)


def test_a_line_joins_its_points_in_order():
    drawn = line("public", [(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)])
    assert (drawn.name, drawn.css) == ("public", "curve")
    assert drawn.path == "40.0,210.0 140.0,10.0 240.0,10.0"


@pytest.mark.parametrize(("n", "dots"), [(1, 1), (12, 12), (13, 0)])
def test_few_points_are_dots_too(n, dots):
    assert len(line("public", [(i / n, 0) for i in range(n)]).dots) == dots


def test_the_ticks_stand_at_every_fifth():
    (chart,) = charts_of({"public": {"roc": [(0, 0), (1, 1)]}})
    across = [(tick["text"], tick["x"]) for tick in chart.x_ticks]
    upwards = [(tick["text"], tick["y"]) for tick in chart.y_ticks]
    assert across == [("0", 40), ("0.2", 80), ("0.4", 120), ("0.6", 160), ("0.8", 200), ("1", 240)]
    assert upwards == [("0", 210), ("0.2", 170), ("0.4", 130), ("0.6", 90), ("0.8", 50), ("1", 10)]


POINTS = [(0, 0), (1, 1)]


def test_charts_come_in_their_order_and_only_two_have_a_diagonal():
    charts = charts_of({"public": {"reliability": POINTS, "pr": POINTS, "roc": POINTS}})
    assert [(chart.title, chart.diagonal) for chart in charts] == [
        ("ROC", True), ("Precision and recall", False), ("Reliability", True),
    ]  # fmt: skip
    assert [(chart.x_label, chart.y_label) for chart in charts] == [
        ("false positive rate", "sensitivity"), ("recall", "precision"), ("predicted probability", "observed share"),
    ]  # fmt: skip


def test_the_numbers_are_rows_with_the_lines_name_where_there_are_several():
    (one,) = charts_of({"public": {"roc": [(0, 0.25), (1, 1)]}})
    row = '<tr>{}<td class="num">{}</td><td class="num">{}</td></tr>'
    assert number_rows(one) == row.format("", "0", "0.25") + row.format("", "1", "1")
    (two,) = charts_of({"public": {"roc": POINTS}, "<private>": {"roc": POINTS}})
    assert row.format('<th scope="row">&lt;private&gt;</th>', "0", "0") in number_rows(two)


def test_what_has_no_points_is_not_drawn():
    assert charts_of({}) == []
    assert [chart.title for chart in charts_of({"public": {"roc": [], "pr": POINTS}})] == ["Precision and recall"]


def test_splits_are_lines_of_one_chart_told_apart():
    (chart,) = charts_of({"public": {"roc": POINTS}, "private": {"roc": POINTS[:1]}})
    assert [(line.name, line.css, len(line.dots)) for line in chart.lines] == [
        ("public", "curve", 2), ("private", "second", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("splits", "names"),
    [(["public"], ["a b", "c"]), (["public", "private"], ["public, a b", "public, c", "private, a b", "private, c"])],
)
def test_classes_are_lines_and_named_with_their_split_where_there_are_two(splits, names):
    (chart,) = charts_of({split: {"roc": {"a_b": POINTS, "c": POINTS}} for split in splits})
    assert [line.name for line in chart.lines] == names


@pytest.mark.parametrize("n", [1, 4, 5, 9])
def test_any_number_of_classes_is_drawn(n):
    (chart,) = charts_of({"public": {"roc": {f"class{i}": POINTS for i in range(n)}}})
    assert [line.css for line in chart.lines] == [LINE_CLASSES[i % 4] for i in range(n)]


def test_a_class_without_a_curve_is_left_out():
    (chart,) = charts_of({"public": {"roc": {"a": [], "b": POINTS}}})
    assert [line.name for line in chart.lines] == ["b"]


@pytest.mark.parametrize(("n", "rows"), [(2, 2), (21, 21), (22, 12), (101, 21)])
def test_the_table_of_a_chart_has_both_ends_and_few_rows(n, rows):
    found = line("public", [(i / (n - 1), 0.5) for i in range(n)]).rows
    assert (len(found), found[0], found[-1]) == (rows, ("0", "0.5"), ("1", "0.5"))


def test_the_table_of_a_band_reads_the_line_at_the_bands_places():
    chart = banded_chart("roc", {"A": [(0, 0), (1, 1)], "B": POINTS}, {"A": [(0.25, 0.1, 0.4)]})
    assert chart.columns == ("false positive rate", "sensitivity", "from", "to")
    assert [line.rows for line in chart.lines] == [[("0.25", "0.25", "0.1", "0.4")], [("0", "0"), ("1", "1")]]
