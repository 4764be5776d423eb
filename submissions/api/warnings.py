"""What a 201 says beside the submission: nothing is refused for it, but a person would want to know."""

from __future__ import annotations

from rest_framework import serializers

from submissions.api.serializers import SubmissionSerializer
from submissions.models import Submission

WARNINGS = serializers.ListField(
    child=serializers.CharField(), read_only=True, default=list,
    help_text="Sentences such as that the same file was sent before; empty for most.",
)  # fmt: skip


class CsvSubmissionAnswer(SubmissionSerializer):
    """A submission, and what is odd about it."""

    warnings = WARNINGS

    class Meta(SubmissionSerializer.Meta):
        fields = [*SubmissionSerializer.Meta.fields, "warnings"]


def warnings_about(submission: Submission) -> list[str]:
    """Return what to say of a new submission. A form asks about the same file; a program has decided already."""
    same = Submission.objects.filter(phase=submission.phase, team=submission.team, sha256=submission.sha256)
    earlier = same.exclude(pk=submission.pk).filter(created_at__lte=submission.created_at).first()
    if not submission.sha256 or earlier is None:
        return []
    return [f"Your team has sent exactly this file to this phase before: submission {earlier.pk}."]
