"""Each sentence about a CSV is true of a file of some tool, and its remedy, applied, makes a file that is read."""

import bz2
import gzip
import io
import lzma
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from submissions.intake.csv.predictions import CsvProblems, PredictionTable, read_predictions
from submissions.kinds import KINDS

FILES = Path(__file__).parent.parent / "foreign_files"
IDS = [f"LIDC_{number:02}" for number in range(1, 7)]
VALUES = [0.1, 0.25, 1, 0, 0.5, 0.875]
GOOD = "AnnotationID,probability\n" + "".join(f"{i},{v}\n" for i, v in zip(IDS, VALUES, strict=True))


def read(content: bytes, ids: list[str]) -> PredictionTable:
    return read_predictions(content, KINDS["lesion"], ids, max_bytes=10 * 2**20)


READ = [
    "pandas-index.csv", "pandas-id-index.csv", "pandas-float32.csv", "pandas-bom.csv", "r-write-csv.csv",
    "r-write-csv-no-row-names.csv", "octave-fprintf.csv",
]  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_csv_of_another_tool_is_read(name):
    content = (FILES / name).read_bytes()
    assert read(content, IDS).predictions.tolist() == pytest.approx(VALUES, abs=1e-6)


def test_a_second_byte_order_mark_is_passed_over():
    assert read(b"\xef\xbb\xbf" * 2 + GOOD.encode(), IDS).predictions.tolist() == VALUES


def test_a_hint_about_ids_is_true_of_them():
    with pytest.raises(CsvProblems) as caught:
        read(response(GOOD, "LIDC_01", "LIDC_01 "), IDS)
    assert caught.value.hints == ["Some ids have spaces around them: remove the spaces."]


def of(name: str) -> bytes:
    return (FILES / name).read_bytes()


def response(text: str, old: str = "", new: str = "") -> bytes:
    return text.replace(old, new).encode()


def commas(content: bytes) -> bytes:
    """Export with commas and decimal points."""
    return content.replace(b",", b".").replace(b";", b",").replace(b"\t", b",").replace(b'"', b"")


def npy() -> bytes:
    target = io.BytesIO()
    np.save(target, np.array(VALUES))
    return target.getvalue()


def packed_tar() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("p.csv"), io.BytesIO())
    return target.getvalue()


def further(text: str) -> str:
    """Return a CSV with a third column of texts."""
    head, _, rows = text.partition("\n")
    return f"{head},model\n" + rows.replace("\n", ",resnet\n")


def turned(text: str) -> str:
    """Return a CSV of two columns with the last one first."""
    return re.sub(r"(?m)^(.*),(.*)$", r"\2,\1", text)


def without_quotes(content: bytes) -> bytes:
    return content.replace(b'"', b"")


def unpacked(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def write_csv(content: bytes) -> bytes:
    """Leave out the row names, as write.csv(..., row.names = FALSE) does."""
    head, *lines = content.decode().replace('"', "").splitlines()
    return "\n".join([head, *(line.partition(",")[2] for line in lines)]).encode()


def anew(_: bytes) -> bytes:
    """Send the template filled in, or the file saved as CSV."""
    return GOOD.encode()


ROWS: list[tuple[str, str, bytes, Callable[[bytes], bytes]]] = [
    ("CSV_FORMAT", "as R's write.table writes row names: use write.csv(..., row.names = FALSE)",
     of("r-write-table-comma.csv"), write_csv),
    ("CSV_FORMAT", "one field more than the header: give its column a name in the first line, or leave it out",
     re.sub(r"(?m)(\d)$", r"\1,0.5", GOOD).encode(),
     lambda data: data.replace(b"probability", b"probability,mine")),
    ("CSV_COLUMNS", "separated by blanks: export the file with commas, in R with write.csv", of("r-write-table.txt"),
     anew),
    ("CSV_COLUMNS", "separated by semicolons: export the file with commas.", of("r-write-csv2.csv"), commas),
    ("CSV_COLUMNS", "The numbers have decimal commas: write points.", of("pandas-german.csv"), commas),
    ("CSV_COLUMNS", "separated by tabs", of("r-write-table-tab.tsv"), commas),
    ("CSV_COLUMNS", "add a header", of("octave-csvwrite.csv"), anew),
    ("CSV_COLUMNS", "(sep=): delete it", b"sep=,\n" + GOOD.encode(), lambda data: data.partition(b"\n")[2]),
    ("CSV_COLUMNS", "(sep=): delete it", b"sep=;\n" + GOOD.encode(), lambda data: data.partition(b"\n")[2]),
    ("CSV_COLUMNS", "take the quotes around whole lines away",
     b"".join(b'"%s"\n' % line for line in GOOD.encode().splitlines()), lambda data: data.replace(b'"', b"")),
    ("CSV_COLUMNS", "The column probability is missing", response(GOOD, "probability", "p"),
     lambda data: data.replace(b",p\n", b",probability\n")),
    ("CSV_COLUMNS", "is there twice. Keep one", response(GOOD, "AnnotationID,", "AnnotationID,AnnotationID,").replace(
        b"LIDC", b"LIDC_0,LIDC"), anew),
    ("CSV_ENCODING", "a zip archive: unpack it, and send the CSV itself.", of("pandas.zip"), unpacked),
    ("CSV_ENCODING", "an Excel workbook. Save it as CSV UTF-8", of("excel.xlsx"), anew),
    ("CSV_ENCODING", "compressed with gzip. Unpack it", of("pandas.csv.gz"), gzip.decompress),
    ("CSV_ENCODING", "UTF-16. Save it as CSV UTF-8", of("pandas-utf16.csv"),
     lambda data: data.decode("utf-16").encode()),
    ("CSV_ENCODING", "is not UTF-8. Save the file as CSV UTF-8",
     (GOOD.replace("probability\n", "probability,note\n").replace("0.1\n", "0.1,M\u00fcller\n")).encode("latin-1"),
     lambda data: data.decode("latin-1").encode()),
    ("CSV_ENCODING", "NUL byte", GOOD.encode() + b"\0", lambda data: data.rstrip(b"\0")),
    ("CSV_EMPTY", "Empty file. Fill in the template", b"", anew),
    ("CSV_EMPTY", "a header but no rows", b"AnnotationID,probability\n,,\n", anew),
    ("CSV_IDS", "missing ids", GOOD.encode()[:60], anew),
    ("CSV_IDS", "1 unknown id", GOOD.encode() + b"LIDC_07,0.5\n", lambda data: data.rpartition(b"LIDC_07")[0]),
    ("CSV_IDS", "1 id given again", GOOD.encode() + b"LIDC_06,0.5\n", lambda data: data.rpartition(b"LIDC_06")[0]),
    ("CSV_VALUE", "is empty; write a number", response(GOOD, "0.25", ""), anew),
    ("CSV_VALUE", "is not between 0 and 1", response(GOOD, "0.25", "25"), lambda data: data.replace(b",25", b",0.25")),
    ("CSV_VALUE", "a decimal comma; write a point", response(GOOD, "0.25", '"0,25"'),
     lambda data: data.replace(b'"0,25"', b"0.25")),
    ("CSV_VALUE", "is a percentage", response(GOOD, "0.25", "25%"), lambda data: data.replace(b"25%", b"0.25")),
    ("CSV_VALUE", "is not a plain decimal number", response(GOOD, "0.25", "0x1p-2"), anew),
    ("CSV_VALUE", "is no number: the model gave none", response(GOOD, "0.25", "nan"), anew),
    # As pandas writes a list, and Python a tensor of PyTorch or a value of NumPy 2.
    ("CSV_VALUE", 'write "0.25"', response(GOOD, "0.25", "[0.25]"), lambda data: re.sub(rb"[][]", b"", data)),
    ("CSV_VALUE", 'write "0.25"', response(GOOD, "0.25", "tensor(0.25)"), anew),
    ("CSV_VALUE", 'write "0.25"', response(GOOD, "0.25", "np.float32(0.25)"), anew),
    ("CSV_FORMAT", "The numbers have decimal commas: write points. No try was spent.", GOOD.replace(".", ",").encode(),
     lambda data: re.sub(rb",(\d+),", rb",\1.", data)),
    # As R's write.table(sep = ",", dec = ",", row.names = FALSE) writes small numbers and further columns.
    ("CSV_FORMAT", "The numbers have decimal commas: write points.", GOOD.replace("0.25", "2.5e-05").replace(
        ".", ",").encode(), lambda data: re.sub(rb",(\d+),", rb",\1.", data).replace(b"2.5e-05", b"0.25")),
    ("CSV_FORMAT", "The numbers have decimal commas: write points.", further(GOOD).replace(".", ",").encode(),
     lambda data: re.sub(rb",(\d+),(\d+),", rb",\1.\2,", data)),
    ("CSV_FORMAT", "The numbers have decimal commas: write points.", turned(GOOD).replace(".", ",").encode(),
     lambda data: re.sub(rb"(?m)^(\d+),(\d)", rb"\1.\2", data)),
    ("CSV_COLUMNS", "The first line is a title", b"My second try\n" + GOOD.encode(),
     lambda data: data.partition(b"\n")[2]),
    # As Excel and Python write texts: '=\"id\"', lists, bytes.
    ("CSV_IDS", "quotes, brackets or an equals sign", response(GOOD, "LIDC_01", '"=""LIDC_01"""'), anew),
    ("CSV_IDS", "quotes, brackets or an equals sign", response(GOOD, "LIDC_01", "['LIDC_01']"), anew),
    ("CSV_IDS", "quotes, brackets or an equals sign", response(GOOD, "LIDC_01", "b'LIDC_01'"), anew),
    ("CSV_IDS", "Some ids have become dates", response(GOOD, "LIDC_01", "02-Jan"), anew),
    ("CSV_FORMAT", "1 fields where the header has 2", response(GOOD, ",0.25", ""), anew),
    ("CSV_FORMAT", "is opened and never closed", response(GOOD, "LIDC_02", '"LIDC_02'), without_quotes),
    ("CSV_FORMAT", "followed by something else", response(GOOD, "LIDC_02", '"LIDC"_02'), without_quotes),
    ("CSV_FORMAT", "too long to be a row", GOOD.encode() + b"x" * 200_000, lambda data: data.rstrip(b"x")),
    ("CSV_TOO_MANY_ROWS", "Send one row for each", GOOD.encode() + b"LIDC_06,0.5\n" * 2000, anew),
    ("CSV_TOO_LARGE", "larger than 10 MB", GOOD.encode() + b" " * (10 * 2**20), bytes.rstrip),
    ("CSV_IDS", "remove the spaces", response(GOOD, "LIDC_01", "LIDC_01 "), lambda data: data.replace(b" ", b"")),
    ("CSV_IDS", "exactly as in the template", response(GOOD, "LIDC", "lidc"), bytes.upper),
    ("CSV_IDS", "write the id alone", response(GOOD, "LIDC_01", "/data/LIDC_01.nii.gz"),
     lambda data: data.replace(b"/data/", b"").replace(b".nii.gz", b"")),
    ("CSV_IDS", "an invisible character", response(GOOD, "LIDC_01", "LIDC_01\u200b"),
     lambda data: data.replace("\u200b".encode(), b"")),
    # As Miller 6 (--ojson) and SQLite 3.40 (.mode quote) write it; NumPy's and Python's own formats.
    ("CSV_COLUMNS", "The file is JSON", b'[\n{\n  "AnnotationID": "LIDC_01",\n  "probability": 0.1\n}\n]\n', anew),
    ("CSV_COLUMNS", "in single quotes", re.sub(rb"[\w.]+", rb"'\g<0>'", GOOD.encode()),
     lambda data: data.replace(b"'", b"")),
    ("CSV_COLUMNS", "write commas without blanks", re.sub(r"(?m)^(.*),(.*)$", r'"\1", "\2"', GOOD).encode(),
     lambda data: data.replace(b", ", b",")),
    ("CSV_COLUMNS", "perhaps the page that asks to sign in", b"<!DOCTYPE html>\n<html>Sign in</html>", anew),
    ("CSV_COLUMNS", "a comment mark", b"# made by fold 3\n" + GOOD.encode(), lambda data: data.partition(b"\n")[2]),
    # As pandas writes them: to_csv(header=False), to_json(lines=True), and compressed by the file's ending.
    ("CSV_COLUMNS", "add a header", GOOD.partition("\n")[2].encode(),
     lambda data: b"AnnotationID,probability\n" + data),
    ("CSV_COLUMNS", "The file is JSON", b'{"AnnotationID":"LIDC_01","probability":0.1}\n' * 6, anew),
    # As pandas (to_json(orient="records")) and polars (write_json) write them.
    ("CSV_COLUMNS", "The file is JSON", b'[{"AnnotationID":"LIDC_01","probability":0.1}]', anew),
    ("CSV_ENCODING", "compressed with bzip2. Unpack it", bz2.compress(GOOD.encode()), bz2.decompress),
    ("CSV_ENCODING", "compressed with xz. Unpack it", lzma.compress(GOOD.encode()), lzma.decompress),
    ("CSV_ENCODING", "a tar archive. Unpack it", packed_tar(), anew),
    ("CSV_ENCODING", "compressed with zstd", b"\x28\xb5\x2f\xfd\x24\x00", anew),
    # NaN as Microsoft's C library prints it: no remedy makes it a 1.
    *[("CSV_VALUE", "the model gave none", response(GOOD, "0.25", text), anew) for text in (
        "1.#QNAN", "-1.#IND", "-nan(ind)", "tensor(nan)", "<NA>")],
    ("CSV_VALUE", 'write "0.25"', response(GOOD, "0.25", "\"tensor(0.25, device='cuda:0')\""), anew),
    ("CSV_VALUE", 'write "0.25"', response(GOOD, "0.25", '"=""0.25"""'), anew),
    ("CSV_ENCODING", "a NumPy array", npy(), anew),
    ("CSV_ENCODING", "a pickle of Python", pickle.dumps({"LIDC_01": 0.1}), anew),
    ("CSV_ENCODING", "is UTF-16", GOOD.encode("utf-16-le"), lambda data: data.decode("utf-16-le").encode()),
    ("CSV_ENCODING", "is UTF-32", GOOD.encode("utf-32"), lambda data: data.decode("utf-32").encode()),
]  # fmt: skip


@pytest.mark.parametrize(("code", "words", "content", "cure"), ROWS, ids=[f"{row[0]} {row[1][:30]}" for row in ROWS])
def test_a_sentence_is_true_and_its_remedy_works(code, words, content, cure):
    with pytest.raises(CsvProblems) as caught:
        read(content, IDS)
    problems = caught.value
    assert problems.code == code
    message = [problems.note, *problems.hints, *(problem.reason for problem in problems.problems)]
    assert words in "\n".join(message)
    cured = cure(content).replace(b"ANNOTATIONID,PROBABILITY", b"AnnotationID,probability")
    assert read(cured, IDS).predictions.tolist() == pytest.approx(VALUES)


CASE_IDS = [line.split(",")[7] for line in (FILES / "setup-truth.csv").read_text().splitlines()[1:]]


def test_row_names_are_named_and_no_id_is_called_missing():
    """Case 10: Rdatatable/data.table#763."""
    with pytest.raises(CsvProblems) as caught:
        read(of("case-10-write-table.csv"), CASE_IDS)
    assert caught.value.code == "CSV_FORMAT"
    assert caught.value.counts == {"missing": 0, "unknown": 0, "duplicate": 0, "value": 0, "format": 40}
    assert "write.csv(..., row.names = FALSE)" in caught.value.note
    assert caught.value.hints[0].startswith("Every line has one field more than the header")


def test_single_precision_is_clipped():
    """Case 12: facebookresearch/fastText#718."""
    assert read(of("case-12-float32.csv"), CASE_IDS).predictions.max() == 1


def test_a_zip_is_named():
    """Case 13: mapillary/mapillary_sls#27."""
    with pytest.raises(CsvProblems, match="unpack it, and send the CSV itself") as caught:
        read(of("case-13.zip"), CASE_IDS)
    assert caught.value.code == "CSV_ENCODING"


def test_semicolons_are_named():
    """Case 14: actualbudget/actual#1769, radiant-rstats/radiant#202."""
    with pytest.raises(CsvProblems) as caught:
        read(of("case-14-german-excel.csv"), CASE_IDS)
    assert caught.value.code == "CSV_COLUMNS"
    assert caught.value.hints == [
        "The columns are separated by semicolons: export the file with commas.",
        "The numbers have decimal commas: write points.",
    ]
