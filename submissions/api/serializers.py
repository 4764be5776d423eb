"""The JSON of phases and submissions: see docs/reference/api-contract.md."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from rest_framework import serializers

from lunasite.http.files.sizes import size_in_words
from lunasite.http.multipart import ONE_FILE, is_file, missing_file, sent_as_file
from submissions.models import Phase, Submission
from submissions.models.team import team_of
from submissions.phases.quota import allowances_of
from submissions.presenters.progress import answered_shown, failed_sentence, note_shown, progress_of, run_seconds
from submissions.presenters.report import score_note
from submissions.runner.base import limits_with
from submissions.runner.contracts import contracts_for
from submissions.runner.docker_run_command import docker_run_command
from submissions.scoring import METRICS, metrics_of
from submissions.text.links import MAX_LINK_LENGTH, validate_link
from submissions.text.sanitize import single_line


class PhaseSerializer(serializers.ModelSerializer[Phase]):
    """A phase as a participant needs it: task, dates, tries left, columns, container contract."""

    kind = serializers.CharField(source="kind.name")
    task = serializers.CharField(source="kind.title")
    dataset = serializers.CharField(source="dataset.name")
    dataset_version = serializers.IntegerField(source="dataset.version")
    commitment = serializers.CharField(source="dataset.content_hash")
    truth = serializers.SerializerMethodField()
    cases = serializers.IntegerField(source="n_counted")  # counted by the view for all phases at once
    sample_cases = serializers.IntegerField(source="n_samples")
    is_open = serializers.SerializerMethodField()
    disclosure = serializers.SerializerMethodField()
    metric = serializers.CharField(source="ranking_metric")
    direction = serializers.SerializerMethodField()
    metrics = serializers.SerializerMethodField()
    quotas = serializers.SerializerMethodField()
    tries_left = serializers.SerializerMethodField()
    csv = serializers.SerializerMethodField()
    container = serializers.SerializerMethodField()

    class Meta:
        model = Phase
        fields = [
            "id", "slug", "title", "description", "kind", "task", "dataset", "dataset_version", "commitment", "truth",
            "cases", "sample_cases", "opens_at", "closes_at", "is_open", "disclosure", "metric", "direction", "metrics",
            "decimals", "score_digits", "interval_digits", "ladder_step", "quotas", "tries_left",
            "accepts_csv", "accepts_docker", "csv", "container",
        ]  # fmt: skip

    def get_truth(self, phase: Phase) -> str | None:
        """Null until the truth is published."""
        return f"/api/v1/phases/{phase.slug}/truth" if phase.dataset.revealed_at else None

    def get_is_open(self, phase: Phase) -> bool:
        return phase.is_open(timezone.now())

    def get_disclosure(self, phase: Phase) -> str:
        """`practice`, `competition` or `ended`: what participants see now."""
        return phase.state(timezone.now())

    def get_direction(self, phase: Phase) -> str:
        return METRICS[phase.ranking_metric].direction

    def get_metrics(self, phase: Phase) -> list[str]:
        return list(metrics_of(phase.kind.name))

    def _allowances(self, phase: Phase) -> list[Any]:
        """Return the windows of one phase; those of a whole list are read at once."""
        user = self.context["request"].user
        if not user.is_authenticated:
            return []
        known: dict[int, list[Any]] = self.context.setdefault("allowances", {})  # type: ignore[attr-defined]
        if phase.pk not in known:
            listed = list(getattr(self.parent, "instance", None) or [phase])
            known |= allowances_of(listed, team_of(user), user, timezone.now())
        return known[phase.pk]

    def get_quotas(self, phase: Phase) -> list[dict[str, Any]]:
        return [
            {
                "tries": allowance.tries,
                "used": allowance.used,
                "left": allowance.left,
                "period": allowance.period,
                "next_free_at": allowance.next_free_at,
            }
            for allowance in self._allowances(phase)
        ] or [{"tries": quota.tries, "period": quota.period} for quota in phase.quotas.all()]

    def get_tries_left(self, phase: Phase) -> int | None:
        """Null without a limit, or for somebody not signed in."""
        return min((allowance.left for allowance in self._allowances(phase)), default=None)

    def get_csv(self, phase: Phase) -> dict[str, Any] | None:
        if not phase.accepts_csv:
            return None
        kind = phase.kind
        columns = {"id_columns": list(kind.id_columns), "template_columns": kind.template_header()}
        return columns | {"template": f"/api/v1/phases/{phase.slug}/template"}

    def get_container(self, phase: Phase) -> dict[str, Any] | None:
        if not phase.accepts_docker:
            return None
        contracts = contracts_for(phase.kind)
        limits = limits_with(**phase.limits().as_dict())
        facts: dict[str, Any] = {
            "contracts": [contract.name for contract in contracts],
            "run_at_home": {contract.name: docker_run_command(limits, contract) for contract in contracts},
            "trial": f"/api/v1/phases/{phase.slug}/trial",
        }
        for contract in contracts:
            facts |= contract.api_facts(phase.kind)
        return facts | {"slugs": phase.batch_slugs, "limits": phase.limits().as_dict()}


class SubmissionSerializer(serializers.ModelSerializer[Submission]):
    """A submission and its newest evaluation, as its own team and staff may see it."""

    phase = serializers.SlugRelatedField[Phase](slug_field="slug", read_only=True)
    team = serializers.CharField(source="team.name")
    user = serializers.CharField(source="user.username")
    file_name = serializers.CharField(source="original_name")
    docker_image_path = serializers.SerializerMethodField()
    evaluation_status = serializers.CharField(source="latest.status")
    evaluation_error = serializers.SerializerMethodField()
    failure = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    attempt = serializers.IntegerField(source="latest.attempt")
    started_at = serializers.DateTimeField(source="latest.started_at", allow_null=True)
    seconds = serializers.SerializerMethodField()
    scores = serializers.SerializerMethodField()
    score_note = serializers.SerializerMethodField()

    class Meta:
        model = Submission
        fields = [
            "id", "phase", "team", "user", "submission_type", "title", "comment", "model_name",
            "model_version", "code_url", "paper_url", "file_name",
            "sha256", "size_bytes", "ignored_columns", "contract", "model_endpoint", "adapter", "docker_image_name",
            "writable_folders", "model_archive", "docker_image_path",
            "created_at", "evaluation_status", "evaluation_error", "failure",
            "try_counts", "progress", "attempt", "started_at", "seconds", "is_baseline", "is_chosen",
            "scores", "score_note",
        ]  # fmt: skip

    def get_docker_image_path(self, submission: Submission) -> str:
        return submission.file if submission.is_docker else ""

    def get_evaluation_error(self, submission: Submission) -> str | None:
        if not submission.latest.failure:
            return None
        return failed_sentence(submission.latest, timezone.now(), self.context["request"].user)

    def get_failure(self, submission: Submission) -> dict[str, Any] | None:
        evaluation = submission.latest
        if (failure := evaluation.failure) is None:
            return None
        now, user = timezone.now(), self.context["request"].user
        return {
            "code": failure.code, "stage": evaluation.failure_stage or failure.stage,
            "fault": failure.fault, "sentence": evaluation.failure_sentence,
            "note": note_shown(evaluation, now, user), "answered": answered_shown(evaluation, now, user),
            "total": evaluation.total,
            "try_counted": submission.try_counts,
        }  # fmt: skip

    @cached_property
    def _line(self) -> dict[Any, Any]:
        """What `place_in_queue` counted for the rows of this list."""
        return {}

    def get_progress(self, submission: Submission) -> dict[str, Any]:
        evaluation = submission.latest
        evaluation.submission = submission  # with its phase, which the evaluation's own would fetch for each row
        return progress_of(evaluation, timezone.now(), self.context["request"].user, self._line).as_dict()

    def get_seconds(self, submission: Submission) -> int | None:
        return run_seconds(submission.latest, timezone.now(), self.context["request"].user)

    def get_scores(self, submission: Submission) -> dict[str, Any]:
        """Return the counted scores by split, as far as the phase's disclosure shows them."""
        return submission.scores_shown_to(self.context["request"].user, timezone.now())

    def get_score_note(self, submission: Submission) -> str:
        """Say why there is no score where the ladder shows none."""
        return score_note(submission, self.context["request"].user, timezone.now())


class SingleLineCharField(serializers.CharField):
    """Text of one printable line, trimmed."""

    def to_internal_value(self, data: Any) -> str:
        return single_line(str(super().to_internal_value(data)))


class LinkField(serializers.URLField):
    """The http(s) address of a page of the entry's method."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, allow_blank=True, max_length=MAX_LINK_LENGTH, **kwargs)
        self.validators.append(validate_link)


class SubmissionDetailSerializer(SubmissionSerializer):
    """One submission; with what its container printed on the public sample cases, which its team may read."""

    smoke_log = serializers.CharField(source="latest.smoke_log")
    trial = serializers.JSONField(
        source="latest.trial", help_text="Of a failed trial: status, answer, diagnosis, left_read_only."
    )

    class Meta(SubmissionSerializer.Meta):
        fields = [*SubmissionSerializer.Meta.fields, "smoke_log", "trial"]


class SubmissionFieldsSerializer(serializers.Serializer[Any]):
    """What comes beside the file of any submission."""

    phase = serializers.SlugField(required=False, max_length=60, help_text="The phase's slug or number.")
    dataset_id = serializers.SlugField(required=False, max_length=60, help_text="Older name of `phase`.")
    title = SingleLineCharField(required=False, max_length=120, allow_blank=True)
    comment = serializers.CharField(required=False, max_length=2000, allow_blank=True)
    model_name = SingleLineCharField(required=False, max_length=80, allow_blank=True, help_text="Shown on the board.")
    model_version = SingleLineCharField(required=False, max_length=60, allow_blank=True)
    code_url = LinkField(help_text="Shown on the board.")
    paper_url = LinkField(help_text="Shown on the board.")

    def to_internal_value(self, data: Any) -> Any:
        """Refuse a plain field that came as a file, as JavaScript sends a Blob and curl `-F name=@file`."""
        names = [name for name, field in self.fields.items() if not isinstance(field, serializers.FileField)]
        if isinstance(data, Mapping) and (sent := next((name for name in names if is_file(data.get(name))), None)):
            raise serializers.ValidationError({sent: [sent_as_file(sent).partition(": ")[2]]})
        return super().to_internal_value(data)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        """Put the phase itself in place of its slug or number."""
        named = data.pop("dataset_id", None)
        named = data.pop("phase", None) or named
        if not named:
            raise serializers.ValidationError({"phase": ["Name the phase to submit to; /api/v1/phases lists them."]})
        phase = Phase.objects.visible_to(self.context["request"].user).named(named)
        if phase is None:
            raise serializers.ValidationError({"phase": [f"There is no phase '{named}'; /api/v1/phases lists them."]})
        return data | {"phase": phase}


class NeedsFile(serializers.Serializer[Any]):
    """A body that brings the part `file`; if it does not, the sentence says why."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and not is_file(data.get("file")):
            request = self.context.get("request")
            content_type = request.META.get("CONTENT_TYPE", "") if request is not None else ""
            raise serializers.ValidationError({"file": [missing_file(data, content_type)]})
        if isinstance(data, MultiValueDict) and len(data.getlist("file")) > 1:
            raise serializers.ValidationError({"file": [ONE_FILE]})
        return super().to_internal_value(data)


class CsvSubmissionSerializer(NeedsFile, SubmissionFieldsSerializer):
    """A CSV of predictions on its way in."""

    file = serializers.FileField(
        allow_empty_file=True, help_text=f"CSV, UTF-8, at most {size_in_words(settings.MAX_CSV_BYTES)}."
    )


class CsvFileSerializer(NeedsFile):
    file = serializers.FileField(allow_empty_file=True)
