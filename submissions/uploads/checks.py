"""Check a file before and while it is stored; both ways to upload give the same answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from django.conf import settings

from lunasite.http.errors import ApiError
from lunasite.http.files.sizes import size_in_words
from lunasite.http.multipart import misnamed, sent_as_file
from submissions.faults import ParticipantError
from submissions.intake.dataset.unpack import judge_archive_head, judge_archive_name
from submissions.intake.image.recognise.head import ENDINGS, HEAD_BYTES, judge_head, judge_name
from submissions.intake.model.archive import judge_model_head, judge_model_name

SHA256 = re.compile("[0-9a-fA-F]{64}")
REMEDIES = {
    "image": "make the image smaller, or send its weights apart as a model archive",
    "model": "leave out files that the program does not read",
    "dataset": "send fewer cases",
    "truth": "send fewer cases",
    "data": "send it as several files",
}
# A thousand CTs have some 200 GB; the site's storage budget may allow less.
MAX_DATASET_BYTES = 1 << 40
MAX_TRUTH_BYTES = 50 << 20

__all__ = [
    "HEAD_BYTES",
    "check_beginning",
    "check_digest",
    "check_ending",
    "check_part_name",
    "check_size",
    "declared_digest",
]


def judge_table_name(name: str) -> None:
    """Raise ParticipantError unless a file is called as a ground-truth table is."""
    if not name.lower().endswith(".csv"):
        raise ParticipantError("EXTENSION_NOT_ALLOWED", "Send the table of truth as a .csv.")


def judge_nothing(_: object) -> None:
    """Take a file whatever it is: the site hands it out as it came and never opens it."""


# What a file is for: an image of a submission, its weights, the images of a dataset, a dataset's table of truth, or
# a file that a challenge hands out.
NAME_JUDGES: dict[str, Callable[[str], None]] = {
    "image": judge_name,
    "model": judge_model_name,
    "dataset": judge_archive_name,
    "truth": judge_table_name,
    "data": judge_nothing,
}
HEAD_JUDGES: dict[str, Callable[[bytes], None]] = {
    "model": judge_model_head,
    "dataset": judge_archive_head,
    "truth": judge_nothing,
    "data": judge_nothing,
}


def check_ending(name: str, purpose: str = "image") -> None:
    """Raise ApiError unless the name ends as a file of its purpose does; what it is, its content decides."""
    try:
        NAME_JUDGES[purpose](name)
    except ParticipantError as error:
        raise _api_error(error) from error


def check_part_name(part: str, name: str, plain_fields: Collection[str] = ()) -> None:
    """Raise ApiError for an archive under a part name other than `file`, and for a plain field that is sent as a file.

    It is judged before gigabytes are sent. Other parts that nobody asked for are passed over.
    """
    if name.lower().endswith(ENDINGS):
        raise ApiError(400, "FILE_REQUIRED", misnamed(part, "file"), field="file")
    if part in plain_fields:
        raise ApiError(400, "VALIDATION_ERROR", sent_as_file(part), field=part)


def max_bytes(purpose: str) -> int:
    """Return the size that a file of this purpose may have."""
    most = {"dataset": MAX_DATASET_BYTES, "data": MAX_DATASET_BYTES, "truth": MAX_TRUTH_BYTES}
    return most.get(purpose, settings.MAX_IMAGE_BYTES)


def check_size(size_bytes: int, purpose: str = "image") -> None:
    """Raise ApiError for an empty file (400) or one over the site's limit (413)."""
    if size_bytes <= 0:
        raise ApiError(400, "UPLOAD_EMPTY", "Empty file: choose the file again and send it.", field="file")
    if size_bytes > max_bytes(purpose):
        raise too_large(purpose)


def too_large(purpose: str = "image", most: int | None = None) -> ApiError:
    """most: bytes of this way to send it; None for what its purpose may have in parts."""
    most = max_bytes(purpose) if most is None else most
    remedy = REMEDIES[purpose]
    message = f"The file is larger than {size_in_words(most)}, the most this site takes; {remedy}."
    return ApiError(413, "UPLOAD_TOO_LARGE", message, field="file", limit_bytes=most)


def check_beginning(head: bytes, name: str = "", *, purpose: str = "image") -> None:
    """Raise ApiError if a file that begins so is not a saved image, or not a model archive where it should be one.

    head: the first HEAD_BYTES, or all of a shorter file. name: "" where it is not known.
    """
    try:
        if judge := HEAD_JUDGES.get(purpose):
            judge(head)
        else:
            judge_head(head, name)
    except ParticipantError as error:
        raise _api_error(error) from error


def _api_error(error: ParticipantError) -> ApiError:
    return ApiError(400, error.code, error.note, field="file")


def declared_digest(value: Any) -> str:
    """Return a declared sha256 in lower case, "" for none. Raises ApiError."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not SHA256.fullmatch(value):
        raise ApiError(400, "VALIDATION_ERROR", "sha256 is 64 hexadecimal digits.", field="sha256")
    return value.lower()


def check_digest(declared: str, found: str) -> None:
    """Raise ApiError if the bytes do not match the declared digest."""
    if declared and declared != found:
        raise ApiError(
            400, "CHECKSUM_MISMATCH", "The file arrived changed: its sha256 is not the declared one. Send it again.",
            field="sha256",
        )  # fmt: skip
