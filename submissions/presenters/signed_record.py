"""Signed evaluation records: what was scored, on what, by what, so that nobody can alter it unnoticed."""

from __future__ import annotations

import json
from typing import Any

from django.core import signing
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from lunasite.http.errors import ApiError
from lunasite.http.strict_json import NotStrictJson, parse_strict
from submissions.models import Submission

SALT = "lunasite.evaluation-record"


class BadRecord(Exception):
    """Why a file is no record of this site; the rest of a sentence."""


def signed_record(submission: Submission, user: Any) -> dict[str, Any]:
    """Return {"record", "signature"}. Raises ApiError (409) when nothing is scored yet."""
    if (current := submission.current_evaluation) is None:
        raise ApiError(409, "NOT_SCORED", "There is no record before the submission is scored.")
    assert current.finished_at is not None  # one UPDATE sets both
    record = {
        "submission": str(submission.pk),
        "phase": submission.phase.slug,
        "team": submission.team.name,
        "submission_type": submission.submission_type,
        "file_sha256": submission.sha256,
        "dataset_hash": current.dataset_hash,
        "code_version": current.code_version,
        "metric_version": current.metric_version,
        "seed": current.bootstrap_seed,
        "attempt": current.attempt,
        "finished_at": current.finished_at.isoformat(),
        "scores": submission.scores_shown_to(user, timezone.now()),
    }
    return {"record": record, "signature": signature(record)}


def signature(record: dict[str, Any]) -> str:
    """Return the site's HMAC over the record's canonical JSON (sorted keys, no spaces)."""
    return signing.Signer(salt=SALT).signature(json.dumps(record, sort_keys=True, separators=(",", ":")))


def read_record(text: bytes) -> dict[str, Any]:
    """Return the record in the JSON that the site once answered. Raises BadRecord unless it is as it was signed."""
    try:
        answer = parse_strict(text)
    except NotStrictJson as error:
        raise BadRecord(f"the file {error}") from error
    if not isinstance(answer, dict) or not isinstance(record := answer.get("record"), dict):
        raise BadRecord("it has no record")
    if not isinstance(given := answer.get("signature"), str):
        raise BadRecord("it has no signature")
    if not constant_time_compare(signature(record), given):
        raise BadRecord("the record was altered, or signed by another site or under another SECRET_KEY")
    return record
