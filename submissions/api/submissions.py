"""The challenge as JSON. Each view parses, calls one action or query, and answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from lunasite.http.errors import ApiError
from lunasite.http.limits.dear_work import remembered
from lunasite.http.limits.throttling import ExactThrottle
from lunasite.http.limits.upload_limits import refuse_large_body
from lunasite.http.negotiation import IgnoreAcceptNegotiation
from submissions import actions
from submissions.actions.submit import read_csv
from submissions.api.filters import FilterBackend, SubmissionFilter
from submissions.api.serializers import (
    CsvFileSerializer,
    CsvSubmissionSerializer,
    PhaseSerializer,
    SubmissionDetailSerializer,
    SubmissionSerializer,
)
from submissions.api.warnings import CsvSubmissionAnswer, warnings_about
from submissions.intake.csv.predictions import CsvProblems
from submissions.models import Evaluation, Phase, Split, Submission
from submissions.models.phase import PhaseQuerySet
from submissions.presenters.phase_files import samples_file, template_file, truth_file
from submissions.presenters.report import report_of
from submissions.presenters.signed_record import signed_record
from submissions.text.idempotency import stored_idempotency_key


class SubmitThrottle(ExactThrottle):
    """Count only what sends something."""

    def allow_request(self, request: Request, view: Any) -> bool:
        return request.method != "POST" or bool(super().allow_request(request, view))


def csv_refusal(problems: CsvProblems, *, all_ids: bool = False) -> ApiError:
    status = 413 if problems.code == "CSV_TOO_LARGE" else 400
    details: dict[str, Any] = problems.as_details(all_ids=all_ids)
    return ApiError(status, problems.code, problems.note, **details)


class PhaseViewSet(viewsets.ReadOnlyModelViewSet[Phase]):
    """Phases, open to everybody; signed in, with the tries that are left."""

    serializer_class = PhaseSerializer
    lookup_field = "slug"
    browsable_forms = {"check": CsvFileSerializer}
    content_negotiation_class = IgnoreAcceptNegotiation
    queryset = Phase.objects.none()
    throttle_classes = [ExactThrottle]
    throttle_scope = "pages"

    def get_permissions(self) -> Sequence[Any]:
        return super().get_permissions() if self.action == "check" else [AllowAny()]

    def get_queryset(self) -> PhaseQuerySet:
        phases = Phase.objects.visible_to(self.request.user).select_related("dataset").prefetch_related("quotas")
        is_sample = Q(dataset__cases__split=Split.SAMPLE)
        return phases.annotate(
            n_samples=Count("dataset__cases", filter=is_sample), n_counted=Count("dataset__cases", filter=~is_sample)
        ).order_by("-opens_at", "slug")  # counting drops the model's own order, and pages need one

    def get_object(self) -> Phase:
        """Return the phase of a slug or number. Raises NotFound."""
        phase = self.get_queryset().named(self.kwargs["slug"])
        if phase is None:
            raise NotFound("There is no such phase; /api/v1/phases lists them.")
        return phase

    @extend_schema(
        request={"multipart/form-data": CsvFileSerializer},
        parameters=[OpenApiParameter("ids", str, enum=["all"], description="All missing and unknown ids, not ten.")],
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True, methods=["post"])
    def check(self, request: Request, slug: str) -> Response:
        """Check a CSV without spending a try: 200 with what was understood, or 400 with its problems."""
        refuse_large_body(request, settings.MAX_CSV_BYTES)
        phase = self.get_object()
        form = CsvFileSerializer(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        all_ids = request.query_params.get("ids") == "all"
        file, caller = form.validated_data["file"], f"user:{request.user.pk}"
        return Response({"status": "ok"} | checked_csv(phase, file, caller, all_ids=all_ids))

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True)
    def template(self, request: Request, slug: str) -> HttpResponse:
        """Download a CSV with every id, to fill in."""
        return template_file(self.get_object())

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    @action(detail=True)
    def samples(self, request: Request, slug: str) -> HttpResponse:
        """Download the sample cases with their truth."""
        return samples_file(self.get_object())

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def truth(self, request: Request, slug: str) -> HttpResponse:
        """Download truth and nonce of the dataset, once they are published."""
        return truth_file(self.get_object())


def checked_csv(phase: Phase, file: Any, caller: str, *, all_ids: bool = False) -> dict[str, Any]:
    """Return what was understood of a CSV. Raises ApiError with its problems."""
    data = file.read(settings.MAX_CSV_BYTES + 1)
    try:
        inputs = (phase.pk, phase.dataset.content_hash, sha256(data).hexdigest())
        return remembered("check", inputs, lambda: read_csv(phase, data).report, caller=caller)
    except CsvProblems as problems:
        raise csv_refusal(problems, all_ids=all_ids) from problems


CSV_OR_IMAGE = "send a smaller CSV, or a Docker image to POST /api/v1/submissions/docker"


class SubmissionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Submission]):
    """My team's submissions; staff see all."""

    serializer_class = SubmissionSerializer
    throttle_classes = [SubmitThrottle]
    throttle_scope = "submit"
    browsable_forms = {"create": CsvSubmissionSerializer}
    content_negotiation_class = IgnoreAcceptNegotiation
    filter_backends = [FilterBackend]
    filterset_class = SubmissionFilter
    queryset = Submission.objects.none()

    def get_queryset(self) -> QuerySet[Submission]:
        evaluations = Prefetch("evaluations", Evaluation.objects.without_blobs().select_related("submission"))
        rows = Submission.objects.visible_to(self.request.user).select_related("phase__dataset", "team", "user")
        return rows.prefetch_related(evaluations)

    def get_serializer_class(self) -> type[SubmissionSerializer]:
        return SubmissionDetailSerializer if self.action == "retrieve" else SubmissionSerializer

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter a list only; the same parameters do not apply to one submission."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """My team's submissions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request={"multipart/form-data": CsvSubmissionSerializer}, responses={201: CsvSubmissionAnswer})
    def create(self, request: Request) -> Response:
        """Submit a CSV of predictions. A refused file costs no try."""
        received_at = timezone.now()
        refuse_large_body(request, settings.MAX_CSV_BYTES, CSV_OR_IMAGE)
        form = CsvSubmissionSerializer(data=request.data, context={"request": request})
        form.is_valid(raise_exception=True)
        key = stored_idempotency_key(request.headers.get("Idempotency-Key", ""))
        try:
            submission = actions.submit_csv(
                user=request.user,  # type: ignore[arg-type]
                received_at=received_at,
                idempotency_key=key,
                **form.validated_data,
            )
        except CsvProblems as problems:
            raise csv_refusal(problems) from problems
        return Response(self.get_serializer(submission).data | {"warnings": warnings_about(submission)}, status=201)

    @extend_schema(request=None, responses=SubmissionSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop the evaluation; the try is given back unless the hidden cases (of a CSV: the scoring) have begun."""
        submission = self.get_object()
        actions.cancel_for(submission=submission, user=request.user)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=SubmissionSerializer)
    @action(detail=True, methods=["put"])
    def choose(self, request: Request, pk: str) -> Response:
        """Let this entry count at the end of the phase, instead of the best shown one. Possible until the end."""
        return self._chosen(request, is_chosen=True)

    @extend_schema(request=None, responses=SubmissionSerializer)
    @action(detail=True, methods=["delete"])
    def unchoose(self, request: Request, pk: str) -> Response:
        """Let the best shown entry count again."""
        return self._chosen(request, is_chosen=False)

    def _chosen(self, request: Request, *, is_chosen: bool) -> Response:
        actions.choose(user=request.user, submission=self.get_object(), is_chosen=is_chosen, now=timezone.now())  # type: ignore[arg-type]
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def report(self, request: Request, pk: str) -> Response:
        """The numbers behind the submission's page: scores, intervals, curves, timings."""
        return Response(report_of(self.get_object(), request.user))

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True)
    def record(self, request: Request, pk: str) -> Response:
        """The signed record of the evaluation that counts."""
        return Response(signed_record(self.get_object(), request.user))

    @extend_schema(responses={302: None})
    @action(detail=True)
    def file(self, request: Request, pk: str) -> HttpResponseRedirect:
        """Go to the submitted file itself: an address that is good for five minutes."""
        submission = self.get_object()
        if submission.file_deleted_at and not submission.file:
            raise NotFound("The file was deleted to make room; its sha256 and its results stay.")
        if not submission.file:
            raise NotFound("The image was not pulled from its registry yet.")
        return HttpResponseRedirect(actions.file_url(submission=submission, user=request.user))
