"""Signed evaluation records: what was scored, on which data, by which code; any later change is detectable."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.utils import timezone

from lunasite.http.errors import ApiError
from submissions.models import Submission
from submissions.presenters import record_signature
from submissions.presenters.progress import ended_at
from submissions.presenters.report import dataset_facts


def signed_record(submission: Submission, user: Any) -> dict[str, Any]:
    """Return {"record", "signature", "public_key"}, as described in record_signature.

    Raises ApiError (409) when nothing is scored yet.
    """
    if (current := submission.current_evaluation) is None:
        raise ApiError(409, "NOT_SCORED", "There is no record before the submission is scored.")
    now = timezone.now()
    finished_at = ended_at(current, now, user)
    assert finished_at is not None  # one UPDATE sets both
    record = {
        "site": settings.SITE_URL,
        "submission": str(submission.pk),
        "phase": submission.phase.slug,
        "team": submission.team.name,
        "submission_type": submission.submission_type,
        "file_sha256": submission.sha256,
        "code_version": current.code_version,
        "metric_version": current.metric_version,
        "attempt": current.attempt,
        "finished_at": finished_at.isoformat(),
        "disclosure": submission.phase.view_of(user, now).state,
        "scores": submission.scores_shown_to(user, now),
        **dataset_facts(submission, user, now),
    }
    return record_signature.sign(record, record_signature.private_key(settings.RECORD_SIGNING_KEY))


def trusted_keys() -> dict[str, Ed25519PublicKey]:
    """Return the public keys that this site signs with or has used before, by identifier, the present key first."""
    today = record_signature.private_key(settings.RECORD_SIGNING_KEY).public_key()
    retired = map(record_signature.public_key, settings.RECORD_RETIRED_KEYS)
    return record_signature.by_thumbprint([today, *retired])


def published_keys() -> dict[str, list[dict[str, str]]]:
    """Return the trusted keys as a JSON Web Key Set (RFC 7517)."""
    return {"keys": [record_signature.public_jwk(key) for key in trusted_keys().values()]}
