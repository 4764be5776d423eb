"""The challenge's pages."""

from django.urls import include, path

from submissions.web.downloads import download

urlpatterns = [
    path("", include("submissions.web.urls")),
    path("", include("submissions.challenges.urls")),
    path("", include("submissions.editing.urls")),
    path("", include("submissions.accounts.urls")),
    path("", include("submissions.teams.urls")),
    path("", include("submissions.participation.urls")),
    path("", include("submissions.notices.urls")),
    path("", include("submissions.webhooks.urls")),
    path("", include("submissions.people.urls")),
    path("", include("submissions.organise.urls")),
    path("", include("submissions.data_files.urls")),
    path("files/<str:token>", download, name="download"),
]
