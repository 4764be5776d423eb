"""URLs of the board pages."""

from django.urls import path

from leaderboard.people import person
from leaderboard.report.views import report_page
from leaderboard.sharing.views import badge, citation, embed
from leaderboard.views import board, board_comparison, board_export, board_history, boards

urlpatterns = [
    path("leaderboards/", boards, name="leaderboards"),
    path("leaderboards/<slug:slug>/", board, name="leaderboard"),
    path("leaderboards/<slug:slug>/history/", board_history, name="leaderboard_history"),
    path("leaderboards/<slug:slug>/compare/", board_comparison, name="leaderboard_compare"),
    path("leaderboards/<slug:slug>/CITATION.cff", citation, name="leaderboard_citation"),
    path("embed/<slug:slug>/", embed, name="embed"),
    path("badge/<slug:slug>/<str:team>.svg", badge, name="badge"),
    path("leaderboards/<slug:slug>/leaderboard.csv", board_export, name="leaderboard_export"),
    path("people/<str:name>/", person, name="person"),
    path("submissions/<uuid:pk>/report/", report_page, name="submission_report"),
]
