"""The full report of a submission as JSON and CSV."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.views import FORMAT, one_of
from leaderboard.report.content import full_report
from leaderboard.report.export import report_csv
from lunasite.http.limits.throttling import ExactThrottle
from lunasite.http.negotiation import IgnoreAcceptNegotiation
from submissions.models import Submission


class FullReportView(APIView):
    throttle_classes = [ExactThrottle]
    throttle_scope = "pages"
    content_negotiation_class = IgnoreAcceptNegotiation

    @extend_schema(
        operation_id="full_report",
        parameters=[FORMAT],
        responses={(200, "application/json"): OpenApiTypes.OBJECT, (200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, pk: str) -> Response | HttpResponse:
        """The report with its details: thresholds, reliability, bands, confusion, subgroups, rank and changes."""
        as_csv = one_of(request, "format", ("json", "csv")) == "csv"
        rows = Submission.objects.visible_to(request.user).select_related(
            "phase__dataset", "phase__challenge", "team", "user"
        )
        submission = get_object_or_404(rows.prefetch_related("evaluations"), pk=pk)
        report = full_report(submission, request.user)
        if not as_csv:
            return Response(report)
        response = HttpResponse(report_csv(report), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="report-{submission.pk}.csv"'
        return response
