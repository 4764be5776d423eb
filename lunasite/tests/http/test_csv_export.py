"""Threat T48: no cell of an export is a formula, whatever somebody called their team."""

import csv
import io

import pytest
from defusedcsv import csv as defusedcsv
from hypothesis import given
from hypothesis import strategies as st

from lunasite.http.files.csv_export import as_csv, csv_line, escape_formula

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠", "｜", "％")
UNSEEN = ("", "\ufeff", " ", "\u00a0", "\u200b", " \u200b")


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("before", UNSEEN)
def test_no_cell_is_a_formula_even_behind_what_nobody_sees(before, start):
    text = f"{before}{start}1+1"
    assert escape_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A1", "@SUM(A1)", '=HYPERLINK("http://x","y")', "%1"])
def test_known_attacks_are_escaped(text):
    assert escape_formula(text) == f"'{text}"


@pytest.mark.parametrize(
    "value", ["", "Team 1", "fine, really", "a=b", "1-1", "50 %", "'=1", "\u22121", " plain", -0.5, 3, True, None]
)
def test_any_other_cell_stays_as_it_is(value):
    assert escape_formula(value) == value


@pytest.mark.slow
@given(st.text(st.characters(codec="utf-8"), max_size=20) | st.from_regex(r"[=+\-@|%][^|]*", fullmatch=True))
def test_what_defusedcsv_escapes_is_escaped(text):
    defused = io.StringIO()
    defusedcsv.writer(defused).writerow([text])
    cell = next(csv.reader(io.StringIO(defused.getvalue(), newline="")), [""])[0]
    if cell != text:
        assert escape_formula(text) == f"'{text}"


def test_a_line_is_quoted_as_rfc_4180_says():
    assert csv_line(["a,b", 'say "x"', "two\nlines", None, -1.5]) == '"a,b","say ""x""","two\nlines",,-1.5\r\n'


def test_headers_are_escaped_too():
    assert as_csv(["=a"], [["b"]]) == "'=a\r\nb\r\n"
