"""URLs of taking part in a phase."""

from django.urls import path

from submissions.participation import views

urlpatterns = [
    path("phases/<slug:slug>/request/", views.ask, name="participation_ask"),
    path("phases/<slug:slug>/rules/", views.rules, name="participation_rules"),
]
