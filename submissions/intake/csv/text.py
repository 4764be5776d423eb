"""Decode untrusted bytes to text of a bounded size."""

from __future__ import annotations

from typing import BinaryIO

from submissions.intake.csv.problems import CsvProblem, CsvProblems

# A line of predictions has a few dozen characters; other columns may hold a comment.
MAX_LINE_BYTES = 100_000
# File types that people send instead of a CSV, by first bytes, with what to do.
PACKED = {
    b"\x1f\x8b": "compressed with gzip. Unpack it and send the CSV itself.",
    b"BZh": "compressed with bzip2. Unpack it and send the CSV itself.",
    b"\xfd7zXZ": "compressed with xz. Unpack it and send the CSV itself.",
    b"\x28\xb5\x2f\xfd": "compressed with zstd. Unpack it and send the CSV itself.",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive. Unpack it and send the CSV itself.",
    b"Rar!\x1a\x07": "a RAR archive. Unpack it and send the CSV itself.",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook. Save it as CSV UTF-8.",
    b"PAR1": "in Parquet format. Save it as CSV.",
    b"%PDF": "a PDF. Send the predictions as CSV.",
    b"\x93NUMPY": "a NumPy array. Write a CSV with one line for each case.",
    b"\x89HDF": "in HDF5 format. Save it as CSV.",
    b"ARROW1": "in Arrow format. Save it as CSV.",
    b"SQLite format 3\0": "a SQLite database. Export the table as CSV.",
    **{bytes((0x80, version)): "a pickle of Python. Write a CSV, as with DataFrame.to_csv." for version in range(2, 6)},
    b"\xff\xfe\0\0": "UTF-32. Save it as CSV UTF-8.",
    b"\0\0\xfe\xff": "UTF-32. Save it as CSV UTF-8.",
}
TAR, TAR_AT = b"ustar", 257
ZIP = b"PK\x03\x04"
# Spreadsheets are zip archives; these member names identify them, whatever else the archive holds.
SPREADSHEETS = {
    b"[Content_Types].xml": "an Excel workbook. Save it as CSV UTF-8, and send the CSV itself.",
    b"xl/": "an Excel workbook. Save it as CSV UTF-8, and send the CSV itself.",
    b"application/vnd.oasis.opendocument": "a LibreOffice document. Save it as Text CSV, and send the CSV itself.",
    b"Index/Document.iwa": "a Numbers document. Export it as CSV, and send the CSV itself.",
}
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_bytes(data: bytes | BinaryIO, max_bytes: int) -> bytes:
    """Return the whole file. Raises CsvProblems if it exceeds `max_bytes`, without reading further."""
    content = data if isinstance(data, bytes) else data.read(max_bytes + 1)
    if len(content) > max_bytes:
        limit_mb = max_bytes // 2**20
        raise CsvProblems("CSV_TOO_LARGE", f"The file is larger than {limit_mb} MB, the most a CSV may have.")
    return content


def as_text(content: bytes, *, max_rows: int) -> str:
    """Return the text of a UTF-8 file, without its byte-order mark. Raises CsvProblems."""
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise CsvProblems("CSV_EMPTY", "Empty file. Fill in the template of the phase.")
    _refuse_other_encodings(content)
    _refuse_too_many_lines(content, max_rows)
    _refuse_long_lines(content)
    try:
        return content.decode().lstrip("\ufeff")  # a file that was read and written again may have two
    except UnicodeDecodeError as error:
        raise _not_utf8(content, error.start) from error


def _refuse_other_encodings(content: bytes) -> None:
    for mark, what in PACKED.items():
        if content.startswith(mark):
            raise CsvProblems("CSV_ENCODING", f"The file is {what}")
    if content.startswith(TAR, TAR_AT):
        raise CsvProblems("CSV_ENCODING", "The file is a tar archive. Unpack it and send the CSV itself.")
    if content.startswith(ZIP):
        named = (what for name, what in SPREADSHEETS.items() if name in content)
        what = next(named, "a zip archive: unpack it, and send the CSV itself.")
        raise CsvProblems("CSV_ENCODING", f"The file is {what}")
    if content.startswith(UTF16_MARKS) or _is_every_other_byte_zero(content[:64]):
        raise CsvProblems("CSV_ENCODING", "The file is UTF-16. Save it as CSV UTF-8.")
    if b"\0" in content:
        line = _line_of(content, content.index(b"\0"))
        problem = CsvProblem("CSV_ENCODING", line, None, "a NUL byte")
        raise CsvProblems("CSV_ENCODING", f"Line {line} holds a NUL byte. Save the file as CSV UTF-8.", [problem])


def _is_every_other_byte_zero(head: bytes) -> bool:
    """Return whether text begins so in UTF-16 without its mark, as PowerShell's and .NET's `Unicode` may write it."""
    return len(head) >= 8 and any(not head[at::2].strip(b"\0") and b"\0" not in head[1 - at :: 2] for at in (0, 1))


def _not_utf8(content: bytes, at: int) -> CsvProblems:
    line = _line_of(content, at)
    problem = CsvProblem("CSV_ENCODING", line, None, "a character that is not UTF-8")
    return CsvProblems("CSV_ENCODING", f"Line {line} is not UTF-8. Save the file as CSV UTF-8.", [problem])


def _line_of(content: bytes, at: int) -> int:
    return content.count(_line_end(content), 0, at) + 1


def _line_end(content: bytes) -> bytes:
    return b"\n" if b"\n" in content else b"\r"


def _refuse_too_many_lines(content: bytes, max_rows: int) -> None:
    """Refuse too many lines before parsing: millions of short rows are few bytes but gigabytes of objects."""
    if max(content.count(b"\n"), content.count(b"\r")) > max_rows + 1:
        note = f"The file has more than {max_rows} rows. Send one row for each of the phase's cases."
        raise CsvProblems("CSV_TOO_MANY_ROWS", note)


def _refuse_long_lines(content: bytes) -> None:
    end = _line_end(content)
    if len(content) <= MAX_LINE_BYTES:
        return
    for line, text in enumerate(content.split(end), start=1):
        if len(text) > MAX_LINE_BYTES:
            problem = CsvProblem("CSV_FORMAT", line, None, f"longer than {MAX_LINE_BYTES} bytes")
            raise CsvProblems("CSV_FORMAT", f"Line {line} is too long to be a row of predictions.", [problem])
