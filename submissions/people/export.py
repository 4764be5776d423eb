"""Everything the site has about a person, to take along (GDPR article 20): a zip of JSON and the person's own files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from lunasite.http.limits.made_files import made_file
from submissions.models import (
    Acceptance,
    ApiToken,
    AuditEvent,
    DatasetImport,
    Evaluation,
    Message,
    ModelArchive,
    NewsPost,
    Participation,
    Submission,
    Upload,
    Webhook,
)
from submissions.models.team import TeamInvitation, team_of
from submissions.notices.unsubscribe import refused_kinds
from submissions.presenters.progress import ended_at
from submissions.storage.base import StorageError
from submissions.storage.files import store

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What one export holds of files; the others are named with where to download them.
MAX_FILE_BYTES = 256 << 20
# More than the tables of anybody take.
MAX_TABLE_BYTES = 16 << 20
# The newest of each sort of rows that another app keeps of a person.
MAX_ROWS = 20_000
# Of such rows what is others': reviewers' words, paths and digests of the site's own.
NOT_THE_PERSONS = {"id", "caller", "picture", "reviewed_at", "review_note", "second_at", "second_note"}
README = """Everything lunasite has stored about your account, as JSON (UTF-8), and the files you sent.

Scores are those that you may see at this moment. Files that are not here are named in submissions.json with the
address to download them from, pictures of feedback by their digests. Passwords, tokens and signing keys are stored as
digests or secrets and are not here.
"""


def export_of(user: User) -> IO[bytes]:
    """Return an open zip of the person's data; the caller sends and closes it. Raises ApiError(507)."""
    submissions = _own_submissions(user)
    files_bytes = sum(item.size_bytes for item in submissions if item.file)
    size_bytes = min(files_bytes, MAX_FILE_BYTES) + MAX_TABLE_BYTES
    return made_file(size_bytes, lambda target: _write(target, user, submissions))


def _write(target: IO[bytes], user: User, submissions: list[Submission]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        files = _add_files(archive, submissions)
        tables = {**_tables(user), "submissions": [_submission(item, user, files) for item in submissions]}
        for name, rows in tables.items():
            archive.writestr(f"{name}.json", json.dumps(rows, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1))


def _own_submissions(user: User) -> list[Submission]:
    rows = Submission.objects.filter(user=user).select_related("phase__dataset", "team")
    return list(rows.prefetch_related("evaluations"))


def _add_files(archive: zipfile.ZipFile, submissions: Iterable[Submission]) -> dict[Any, str]:
    """Write the files that fit, the newest first; return their names by submission."""
    names: dict[Any, str] = {}
    left = MAX_FILE_BYTES
    for submission in submissions:
        if not submission.file or submission.size_bytes > left:
            continue
        name = f"files/{submission.pk}{'.tar' if submission.is_docker else '.csv'}"
        try:
            with store().pieces(submission.file) as pieces, archive.open(name, "w") as member:
                for piece in pieces:
                    member.write(piece)
        except StorageError:
            continue
        names[submission.pk], left = name, left - submission.size_bytes
    return names


def _submission(submission: Submission, user: User, files: dict[Any, str]) -> dict[str, Any]:
    address = f"{settings.SITE_URL}/api/v1/submissions/{submission.pk}/file"
    fields = ("id", "submission_type", "original_name", "sha256", "size_bytes", "title", "comment", "model_name",
              "model_version", "code_url", "paper_url", "docker_image_name", "image_reference", "contract",
              "model_endpoint", "adapter", "created_at", "try_counts", "is_hidden", "is_chosen")  # fmt: skip
    evaluations = submission.evaluations.all()
    return {
        **{name: getattr(submission, name) for name in fields},
        "phase": submission.phase.slug, "team": submission.team.name,
        "file": files.get(submission.pk) or (address if submission.file else None),
        "scores": submission.scores_shown_to(user, timezone.now()),
        "evaluations": [_evaluation(evaluation, user) for evaluation in evaluations],
    }  # fmt: skip


def _evaluation(evaluation: Evaluation, user: User) -> dict[str, Any]:
    """Return how a run ended, and when as exactly as its page tells the person."""
    return {
        "status": evaluation.status, "failure_code": evaluation.failure_code,
        "finished_at": ended_at(evaluation, timezone.now(), user),
    }  # fmt: skip


def _tables(user: User) -> dict[str, Any]:
    """Return all but the submissions, by the name of the JSON file."""
    team = team_of(user)
    return {
        "account": _account(user),
        "team": {"name": team.name, "created_at": team.created_at} if team else None,
        "participations": _values(
            Participation.objects.filter(user=user),
            "challenge__slug", "status", "request", "requested_at", "decided_at", "rules_digest", "rules_accepted_at",
        ),
        "messages": _values(
            Message.objects.filter(user=user), "kind", "subject", "text", "path", "created_at", "read_at"
        ),
        "webhooks": _values(Webhook.objects.filter(user=user), "url", "kinds", "is_active", "created_at"),
        "uploads": _values(
            Upload.objects.filter(user=user), "original_name", "size_bytes", "sha256", "is_complete", "created_at"
        ),
        "tokens": _values(ApiToken.objects.filter(user=user), "name", "created", "expiry"),
        "acceptances": _values(
            Acceptance.objects.filter(user=user),
            "version__challenge__slug", "version__page__name", "version__name", "version__number", "accepted_at",
        ),
        "invitations": _values(
            TeamInvitation.objects.filter(invited_by=user), "team__name", "email", "created_at", "expires_at"
        ),
        "model_archives": _values(
            ModelArchive.objects.filter(user=user), "original_name", "size_bytes", "sha256", "created_at"
        ),
        "dataset_imports": _values(DatasetImport.objects.filter(user=user), "name", "kind", "state", "created_at"),
        "news": _values(NewsPost.objects.filter(author=user), "challenge__slug", "title", "body", "published_at"),
        "audit_log": _values(
            AuditEvent.objects.filter(actor=user), "at", "action", "target_type", "target_name", "note"
        ),
        **_of_other_apps(user),
    }  # fmt: skip


def _of_other_apps(user: User) -> dict[str, Any]:
    """Return what apps of ours keep of the person that this one does not know: feedback and calls of the models."""
    relations: Any = get_user_model()._meta.get_fields(include_hidden=True)
    found = {}
    for relation in relations:
        model: Any = relation.related_model
        is_here = relation.auto_created and not relation.concrete and model._meta.app_label == "inference"
        if is_here and relation.field.name == "user":
            own = [field.name for field in model._meta.concrete_fields if not field.is_relation]
            rows = model._default_manager.filter(user=user).order_by("-pk")[:MAX_ROWS]
            found[model._meta.model_name] = list(rows.values(*(name for name in own if name not in NOT_THE_PERSONS)))
    return found


def _account(user: User) -> dict[str, Any]:
    profile = getattr(user, "profile", None)
    shown = ("is_public", "display_name", "affiliation", "homepage")
    return {
        "username": user.get_username(), "email": user.email, "joined": user.date_joined, "last_login": user.last_login,
        "addresses": _values(EmailAddress.objects.filter(user=user), "email", "verified", "primary"),
        "profile": {name: getattr(profile, name) for name in shown} if profile else None,
        "mails_refused": refused_kinds(user),
    }  # fmt: skip


def _values(rows: Any, *names: str) -> list[dict[str, Any]]:
    return list(rows.values(*names))
