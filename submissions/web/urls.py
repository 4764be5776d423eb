"""URLs of the participant's pages."""

from django.urls import path

from submissions.web import guide as guide_views
from submissions.web import image_views, views
from submissions.web.method_view import change_method

urlpatterns = [
    path("", views.home, name="home"),
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
]
