"""URLs of the participant's pages."""

from django.urls import path

from submissions.challenges.home import home
from submissions.web import case_views, image_views, upload_views, views
from submissions.web import guide as guide_views
from submissions.web.method_view import change_method

urlpatterns = [
    path("", home, name="home"),
    path("guide/", guide_views.guide, name="guide"),
    path("phases/<slug:slug>/", views.phase_page, name="phase"),
    path("phases/<slug:slug>/template.csv", views.csv_template, name="csv_template"),
    path("phases/<slug:slug>/samples.csv", views.phase_file, {"name": "samples"}, name="samples_file"),
    path("phases/<slug:slug>/truth.json", views.phase_file, {"name": "truth"}, name="truth_file"),
    path("phases/<slug:slug>/submit/", views.submit_csv, name="submit_csv"),
    path("phases/<slug:slug>/submit-image/", image_views.submit_docker, name="submit_docker"),
    path("submissions/", views.submission_list, name="submissions"),
    path("submissions/<uuid:pk>/", views.submission_page, name="submission"),
    path("submissions/<uuid:pk>/progress/", views.submission_progress, name="submission_progress"),
    path("submissions/<uuid:pk>/choice/", views.choose, name="submission_choice"),
    path("submissions/<uuid:pk>/method/", change_method, name="submission_method"),
    path("submissions/<uuid:pk>/cancel/", views.cancel, name="submission_cancel"),
    path("account/uploads/", upload_views.uploads, name="uploads"),
    path("account/uploads/<uuid:begun>/delete/", upload_views.delete, name="upload_delete"),
    path("submissions/<uuid:pk>/cases/", case_views.case_list, name="submission_cases"),
    path("submissions/<uuid:pk>/case/", case_views.one_case, name="submission_case"),
    path("submissions/<uuid:pk>/differences/", case_views.case_differences, name="submission_differences"),
]
