"""The challenge's part of /api/v1/; URLs have no trailing slash (lunasite.middleware.trailing_slash)."""

from django.urls import path

from submissions.accounts.api import TokenView
from submissions.api.docker import DockerSubmissionView
from submissions.api.record_key import RecordKeyView
from submissions.api.submissions import PhaseViewSet, SubmissionViewSet
from submissions.api.uploads import ResumableUploadViewSet

phases = PhaseViewSet.as_view
submissions = SubmissionViewSet.as_view
uploads = ResumableUploadViewSet.as_view

urlpatterns = [
    path("auth/token", TokenView.as_view(), name="api_token"),
    path("phases", phases({"get": "list"}), name="api_phases"),
    path("phases/<slug:slug>", phases({"get": "retrieve"}), name="api_phase"),
    path("phases/<slug:slug>/check", phases({"post": "check"}), name="api_check"),
    path("phases/<slug:slug>/template", phases({"get": "template"}), name="api_template"),
    path("phases/<slug:slug>/samples", phases({"get": "samples"}), name="api_samples"),
    path("phases/<slug:slug>/truth", phases({"get": "truth"}), name="api_truth"),
    path("submissions", submissions({"get": "list", "post": "create"}), name="api_submissions"),
    path("submissions/<uuid:pk>", submissions({"get": "retrieve"}), name="api_submission"),
    path("submissions/<uuid:pk>/cancel", submissions({"post": "cancel"}), name="api_cancel"),
    path("submissions/<uuid:pk>/choice", submissions({"put": "choose", "delete": "unchoose"}), name="api_choice"),
    path("submissions/<uuid:pk>/report", submissions({"get": "report"}), name="api_report"),
    path("submissions/<uuid:pk>/record", submissions({"get": "record"}), name="api_record"),
    path("record-key", RecordKeyView.as_view(), name="api_record_key"),
    path("submissions/<uuid:pk>/file", submissions({"get": "file"}), name="api_file"),
    path("submissions/docker", DockerSubmissionView.as_view(), name="api_submit_docker"),
    path("uploads", uploads({"get": "list", "post": "create"}), name="api_uploads"),
    path("uploads/check", uploads({"post": "check"}), name="api_upload_check"),
    path("uploads/<uuid:pk>", uploads({"get": "retrieve", "delete": "destroy"}), name="api_upload"),
    path("uploads/<uuid:pk>/parts", uploads({"post": "parts"}), name="api_upload_parts"),
    path("uploads/<uuid:pk>/parts/<int:number>", uploads({"put": "put_part"}), name="api_upload_part"),
    path("uploads/<uuid:pk>/complete", uploads({"post": "complete"}), name="api_upload_complete"),
]
