"""The challenge's pages."""

from django.urls import include, path

from submissions.web.downloads import download

urlpatterns = [
    path("", include("submissions.web.urls")),
    path("", include("submissions.accounts.urls")),
    path("", include("submissions.teams.urls")),
    path("", include("submissions.participation.urls")),
    path("", include("submissions.data_files.urls")),
    path("files/<str:token>", download, name="download"),
]
