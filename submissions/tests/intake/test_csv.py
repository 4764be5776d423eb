"""Rows C1 to C17 of the catalogue, and what a good file may look like."""

import gzip
import io
import time
import tracemalloc

import numpy as np
import pytest

from submissions.intake.csv.predictions import (
    CsvProblems,
    max_rows,
    read_predictions,
    template,
)
from submissions.kinds import KINDS

MAX_BYTES = 10 * 2**20
LESION, SLICE = KINDS["lesion"], KINDS["slice"]
IDS = ["a_1", "b_2", "007"]
GOOD = "AnnotationID,probability\na_1,0.1\nb_2,1\n007,2.5e-1\n"
CLASS_HEADER = "id,adenocarcinoma,large_cell_carcinoma,squamous_cell_carcinoma,normal\n"


def read(text, kind=LESION, ids=IDS):
    return read_predictions(text if isinstance(text, bytes) else text.encode(), kind, ids, max_bytes=MAX_BYTES)


def problems_of(text, kind=LESION, ids=IDS):
    with pytest.raises(CsvProblems) as caught:
        read(text, kind, ids)
    return caught.value


@pytest.mark.parametrize(
    ("content", "response"),
    [
        (gzip.compress(GOOD.encode()), "Unpack it"),
        (b"PK\x03\x04 xl/workbook.xml", "an Excel workbook. Save it as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"), (b"PAR1\x15\x04", "Parquet"), (b"%PDF-1.7", "a PDF"),
    ],
)  # fmt: skip
def test_another_format_is_called_by_its_name(content, response):
    problems = problems_of(content)
    assert problems.code == "CSV_ENCODING"
    assert response in problems.note


def test_missing_columns_are_told_in_words():
    assert problems_of("a,b\n1,2\n").note.startswith("The columns AnnotationID, probability are missing.")
    assert problems_of("AnnotationID,b\n1,2\n").note.startswith("The column probability is missing.")
    assert "delete it" in problems_of("sep=,\n" + GOOD).hints[0]


def test_a_limit_is_told_in_whole_megabytes():
    with pytest.raises(CsvProblems, match="larger than 10 MB"):
        read_predictions(b"x" * (10 * 2**20 + 1), LESION, IDS, max_bytes=10 * 2**20)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD + ",\n,,\n  ,  \n\n",  # as spreadsheets write rows that were emptied
        ",\n" + GOOD,
        GOOD.replace(",", ", "),
        GOOD.replace(",", " ,\t").replace("a_1 ", "a_1").replace("b_2 ", "b_2").replace("007 ", "007"),
        GOOD.replace("0.1\n", "0.1,,\n"),
        "id,prob,note,fold\na_1,0.1\nb_2,1,x\n007,0.25,,1\n",
        "note,id,prob,fold\n,a_1,0.1\n,b_2,1\n,007,0.25\n",
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\r\n"),  # C10
        GOOD.replace("\n", "\r"),  # C10: as old Macs write it
        "\ufeff" + GOOD,  # C7
        GOOD.replace("AnnotationID", "ID").replace("probability", "LABEL_SCORE"),
        GOOD.replace("a_1", '"a_1"').replace("0.1", '"0.1"'),
        GOOD.replace("\n", "\n\n"),
        "AnnotationID,probability\n007,.25\nb_2,1.\na_1,+0.1\n",
        "label,AnnotationID,fold,probability\n1,a_1,1,0.1\n0,b_2,2,1\n,007,3,0.25\n",  # C3
    ],
)
def test_a_good_file_is_read_in_the_order_of_the_cases(text):
    assert read(text).predictions.tolist() == [0.1, 1.0, 0.25]


def test_other_columns_are_ignored_and_named():
    table = read("id,label,prob,fold,score\na_1,1,.1,1,9\nb_2,0,.2,1,9\n007,1,.3,1,9\n")
    assert table.predictions.tolist() == [0.1, 0.2, 0.3]
    assert table.report == {
        "rows": 3, "sample_cases": 0, "id_column": "id", "value_columns": ["prob"], "ignored_columns": ["label", "fold",
        "score"],
    }  # fmt: skip


def test_a_file_object_does_as_well():
    assert read_predictions(io.BytesIO(GOOD.encode()), LESION, IDS, max_bytes=MAX_BYTES).rows == 3


def test_slices_are_read_by_class_name_in_any_order():
    header = "normal,ID,Squamous_cell_carcinoma,large_cell_carcinoma,adenocarcinoma\n"
    table = read(header + "0.1,q,0.2,0.3,0.4\n0.25,w,0.25,0.25,0.254\n", SLICE, ["w", "q"])
    assert table.predictions.tolist() == [[0.254, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "CSV_EMPTY"), ("\n\n", "CSV_EMPTY"), ("\ufeff", "CSV_EMPTY"), ("id,probability\n", "CSV_EMPTY"),
         # C1
        ("id\na_1\n", "CSV_COLUMNS"), ("id,propability\na_1,1\n", "CSV_COLUMNS"),  # C2
        ("probability\n1\n", "CSV_COLUMNS"), ("id,prob,PROB\na_1,1,1\n", "CSV_COLUMNS"),
        ("id,id,prob\na_1,a_1,1\n", "CSV_COLUMNS"), ("a_1,0.1\nb_2,0.2\n007,0.3\n", "CSV_COLUMNS"),
        ("id;prob\na_1;0.1\n", "CSV_COLUMNS"), ("id\tprob\na_1\t0.1\n", "CSV_COLUMNS"),
        ("<html><body>Sign in</body></html>", "CSV_COLUMNS"), ('{"id": 1}', "CSV_COLUMNS"),
        ("id,prob\na_1,.1\nb_2,.2\n", "CSV_IDS"), (GOOD + "zzz,0.2\n", "CSV_IDS"),  # C4
        (GOOD + "a_1,0.1\n", "CSV_IDS"), (GOOD.replace("a_1", ""), "CSV_IDS"),
        ("id,prob\n" + "a_1,0.1\n" * 3, "CSV_IDS"),
        (GOOD.encode("utf-16"), "CSV_ENCODING"), (GOOD.encode("utf-16-le"), "CSV_ENCODING"),  # C8
        (GOOD.replace("a_1", "ä_1").encode("latin-1"), "CSV_ENCODING"),
        (GOOD.replace("a_1", "a\0_1"), "CSV_ENCODING"),  # C9
        (GOOD + '"c,0.2\n', "CSV_FORMAT"), (GOOD.replace("a_1", '"a"_1'), "CSV_FORMAT"),  # C11
        (GOOD.replace("0.1", "0.1,9"), "CSV_FORMAT"), (GOOD.replace(",0.1", ""), "CSV_FORMAT"),
        (GOOD.replace("a_1", "=cmd|'/c calc'!A1"), "CSV_IDS"),  # C15
        ("id,prob\n" + "a_1,0.1\n" * 5000, "CSV_TOO_MANY_ROWS"),
        ("id,prob\n" + "x" * 200_000 + ",0.1\n", "CSV_FORMAT"), ("," * 1_000_000, "CSV_FORMAT"),
        (b"PK\x03\x04\x14\x00\x06\x00", "CSV_ENCODING"), (b"\x89PNG\r\n\x1a\n\x00", "CSV_ENCODING"),
    ],
)  # fmt: skip
def test_a_bad_file_gets_its_code(text, code):
    problems = problems_of(text)
    assert problems.code == code
    assert problems.note.endswith((".", "?"))


# C5, and what float() would have taken.
@pytest.mark.parametrize(
    "value",
    [
        "", " ", "nan", "NaN", "inf", "-inf", "1e400", "-0.1", "1.1", "1.0000011", "-0.0000011", "abc", "None", "True",
        "0x1",
        "1_0", "０.5", "٠.5", "0,5", "0 .5", "--0.5", "0.5.", "1e", ".", "5%", "9" * 500, "=0.5",
        "1e-99999",
    ],
)  # fmt: skip
def test_a_value_that_is_no_probability_is_refused(value):
    problems = problems_of(f'id,prob\na_1,"{value}"\nb_2,0.2\n007,0.3\n')
    assert problems.code == "CSV_VALUE"
    assert (problems.problems[0].line, problems.problems[0].column) == (2, "prob")


@pytest.mark.parametrize(("value", "expected"), [("0", 0), ("1", 1), ("1E-3", 0.001), ("00.5", 0.5), ("1e-400", 0)])
def test_any_plain_decimal_in_range_is_taken(value, expected):
    assert read(GOOD.replace("0.1", value)).predictions[0] == expected


@pytest.mark.parametrize(
    ("row", "is_good"),
    [("1,0,0,0", True), ("0.25,0.25,0.25,0.26", True), ("0.25,0.25,0.25,0.27", False), ("0,0,0,0", False),
     ("0.5,0.5,0.5,0.5", False), ("0.25,0.25,0.25,", False), ("2,-1,0,0", False)],
)  # fmt: skip
def test_class_probabilities_sum_to_one(row, is_good):
    text = f"{CLASS_HEADER}q,{row}\n"
    if is_good:
        assert read(text, SLICE, ["q"]).rows == 1
    else:
        assert problems_of(text, SLICE, ["q"]).code == "CSV_VALUE"


def test_a_missing_class_is_named():
    problems = problems_of(CLASS_HEADER.replace(",normal", ",norml") + "q,1,0,0,0\n", SLICE, ["q"])
    assert [problem.column for problem in problems.problems] == ["normal"]
    assert 'did you mean "norml"' in problems.problems[0].reason


# C16
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (GOOD.replace("a_1", "a_1 "), "spaces"), (GOOD.replace("a_1", " a_1"), "spaces"),
        (GOOD.replace("a_1", "A_1"), "upper and lower case"), (GOOD.replace("007", "7"), "leading zeros"),
        (GOOD.replace("007", "1.2E+05"), "long numbers"), ("id;prob\na_1;0.1\n", "semicolons"),
        ("a_1,0.1\n", "add a header"), ("1,0.5\n2,0.5\n", "add a header"),
    ],
)  # fmt: skip
def test_a_spreadsheets_damage_is_recognised(text, hint):
    hints = " ".join(problems_of(text).hints)
    assert hint in hints if hint else hints == ""


def test_ids_read_as_numbers_by_pandas_are_recognised():
    assert "dtype=str" in problems_of("id,prob\n12.0,.5\n", ids=["12"]).hints[0]


LONG = "100012345678901234567"


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("100,012,345,678,901,234,567", "thousands separators"), ("100'012'345'678'901'234'567", "thousands"),
        ("100\u202f012\u202f345\u202f678\u202f901\u202f234\u202f567", "thousands"),
        ("100012345678901000000", "15th digit"), ("100012345678901240000", ""),
        (f"\u201c{LONG}\u201d", "quotes"), ("100012345600000000000", ""), ("10001234567890123456", ""),
        ("100,0123,45678901234567", ""),
    ],
)  # fmt: skip
def test_a_long_number_that_a_program_changed_is_recognised(written, hint):
    hints = " ".join(problems_of(f'id,prob\n"{written}",.5\n', ids=[LONG]).hints)
    assert hint in hints if hint else hints == ""


def test_the_first_ten_problems_are_told_and_all_are_counted():
    ids = [f"case{i}" for i in range(40)]
    text = "id,prob\n" + "".join(f"case{i},7\n" for i in range(20)) + "zzz,0.5\ncase0,0.5\ncase39,0.5\n"
    problems = problems_of(text, ids=ids)
    assert [problem.line for problem in problems.problems] == list(range(2, 12))
    assert problems.counts == {"missing": 19, "unknown": 1, "duplicate": 1, "value": 20, "format": 0}


def test_missing_and_unknown_ids_are_named():
    ids = [f"case{i:02}" for i in range(40)]
    text = "id,prob\n" + "".join(f"case{i:02},0.5\n" for i in range(20)) + "".join(f"z{i},0.5\n" for i in range(11))
    problems = problems_of(text, ids=ids)
    assert (problems.counts["missing"], problems.counts["unknown"]) == (20, 11)
    assert problems.as_details()["missing_ids"] == ids[20:30]
    assert problems.as_details()["unknown_ids"] == [f"z{i}" for i in range(10)]
    assert problems.as_details(all_ids=True)["missing_ids"] == ids[20:]
    assert len(problems.as_details(all_ids=True)["unknown_ids"]) == 11


def test_missing_ids_alone_are_the_problem_that_is_told():
    assert problems_of("id,prob\na_1,0.1\n").problems[0].reason == (
        '2 of the phase\'s ids are not in the file: "007", "b_2"'
    )


# What a line holds that cannot be read is not missing; where nobody can tell, no name is given.
UNREADABLE_LINES = [
    ("id,prob\na_1,0.1,9\nb_2,1,9\n007,0.3,9\n", 0, []),
    ("id,prob\n1,a_1,0.1\n2,b_2,1\n", 1, ["007"]),
    ("id,prob\na_1\nb_2,1\n007,0.3\n", 0, []),
    ("id,prob\na_1;0.1\nb_2;1\n007,0.3\n", 0, []),
    ("id,prob\na_1 0.1\nb_2\t1\n007|0.3\n", 0, []),
    ("id,prob\n???,?,?\nb_2,1\n007,0.3\n", 0, []),
    ("id,prob\n???,?,?\nb_2,1\n", 1, []),
]


@pytest.mark.parametrize(("text", "missing", "names"), UNREADABLE_LINES)
def test_an_id_in_a_line_that_cannot_be_read_is_not_missing(text, missing, names):
    problems = problems_of(text)
    assert (problems.code, problems.counts["missing"]) == ("CSV_FORMAT", missing)
    assert problems.as_details()["missing_ids"] == names


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1.0000001", 1), ("1.000001", 1), ("-0.0000001", 0), ("-1e-6", 0), ("1.00000012", 1), ("0.99999994", 0.99999994)],
)
def test_what_single_precision_adds_is_clipped(value, expected):
    assert read(GOOD.replace("0.1", value)).predictions[0] == expected
    assert read(f"{CLASS_HEADER}q,{value},0,0,{1 - expected}\n", SLICE, ["q"]).predictions[0, 0] == expected


def test_what_the_file_says_is_shown_cut_and_without_control_characters():
    reason = problems_of(GOOD.replace("a_1", "\x1b[31m" + "é" * 100)).problems[0].reason
    assert "\x1b" not in reason
    assert len(reason) < 120


def test_a_line_number_is_that_of_the_file_even_after_line_breaks_in_quotes():
    problems = problems_of('id,prob,note\na_1,.1,"two\nlines"\n\nb_2,9,x\n007,.3,x\n')
    assert problems.problems[0].line == 5


def test_problems_have_the_apis_form():
    details = problems_of(GOOD.replace("0.1", "9")).as_details()
    assert (details["field"], details["row"], details["column"]) == ("file", 2, "probability")
    assert details["problems"] == [
        {"code": "CSV_VALUE", "row": 2, "column": "probability", "reason": '"9" is not between 0 and 1'}
    ]


def test_all_values_equal_are_read():  # C17
    assert np.ptp(read(GOOD.replace("0.1", ".5").replace(",1", ",.5").replace("2.5e-1", ".5")).predictions) == 0


def test_the_template_is_itself_a_good_file():
    for kind, ids in ((LESION, ["a,b", 'q"u', "=1+1", " x"]), (SLICE, ["s 1.png"])):
        assert read(template(kind, ids), kind, ids).rows == len(ids)


def test_as_many_rows_as_the_limit_are_read():
    text = "id,prob\n" + "a_1,0.1\n" * max_rows(3, LESION)
    assert problems_of(text).counts["duplicate"] == max_rows(3, LESION) - 1
    assert problems_of(text + "a_1,0.1\n" * 2).code == "CSV_TOO_MANY_ROWS"


@pytest.mark.parametrize(
    "content",
    [
        b"id,prob\n" + b"a,1\n" * 2_499_000,  # ten megabytes of short rows
        b'id,prob\n"' + b"a,1\n" * 2_499_000,
        b'id,prob\n"' + b"a" * 9_900_000,
        b"a," * 4_900_000,
        b"\n" * MAX_BYTES,
        b"id,prob\n" + b"\xf0\x9f\x98\x80" * 2_400_000,
        b"id,prob\n" + b"1" * 60_000_000,
    ],
)  # C11, C13
def test_a_monstrous_file_is_refused_at_once_and_in_little_memory(content):
    file = io.BytesIO(content)
    started = time.process_time()
    tracemalloc.start()
    with pytest.raises(CsvProblems):
        read_predictions(file, LESION, [f"case{i}" for i in range(6000)], max_bytes=MAX_BYTES)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - started < 1.5
    assert peak_bytes < 150_000_000


def test_a_quote_left_open_in_a_plausible_file_is_found_at_once():
    rows = "".join(f"case{i},0.5\n" for i in range(6000))
    started = time.process_time()
    problems = problems_of("id,prob\n" + rows.replace("case7,", '"case7,', 1), ids=[f"case{i}" for i in range(6000)])
    assert time.process_time() - started < 1
    assert (problems.code, problems.problems[0].line) == ("CSV_FORMAT", 9)


@pytest.mark.realdata
def test_the_real_entry_is_read_with_its_other_columns_named(real_data):
    data = (real_data / "luna25/hiera3d_all_folds_predictions.csv").read_bytes()
    ids = [line.split(",")[0] for line in data.decode().splitlines()[1:]]
    table = read(data, ids=ids[::-1])
    assert table.report["ignored_columns"] == ["label", "fold"]
    assert (table.rows, table.predictions[-1]) == (6163, 0.45961237)


@pytest.mark.parametrize("value", ["1" * 5000 + "x1", "1" * 2500 + "-" * 2500 + "1", "[" * 5000 + "x"])
def test_a_cell_of_any_length_is_judged_at_once(value):
    """An expression that takes digits in two ways tried every way to part them: 14 s for 8,000 of them."""
    started = time.process_time()
    assert "not a plain decimal number" in problems_of(GOOD.replace("0.1", value)).problems[0].reason
    assert time.process_time() - started < 0.5
