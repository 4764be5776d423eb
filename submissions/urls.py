"""The challenge's pages."""

from django.urls import include, path

from submissions.download_views import download

urlpatterns = [
    path("", include("submissions.page_urls")),
    path("", include("submissions.accounts.urls")),
    path("", include("submissions.teams.urls")),
    path("files/<str:token>", download, name="download"),
]
