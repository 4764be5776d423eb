"""URLs of the leaderboard API, below /api/v1/."""

from django.urls import path

from leaderboard.api.reports import FullReportView
from leaderboard.api.views import BoardView, HistoryView

urlpatterns = [
    path("leaderboard", BoardView.as_view(), name="api_leaderboard"),
    path("leaderboard/history", HistoryView.as_view(), name="api_leaderboard_history"),
    path("submissions/<uuid:pk>/report/full", FullReportView.as_view(), name="api_full_report"),
]
