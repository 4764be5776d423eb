"""URLs of the team page."""

from django.urls import path

from submissions.teams import views as team_views

urlpatterns = [
    path("team/", team_views.team, name="team"),
    path("team/create/", team_views.create, name="team_create"),
    path("team/join/", team_views.join, name="team_join"),
    path("team/leave/", team_views.leave, name="team_leave"),
    path("team/registry/", team_views.enter_registry, name="team_registry"),
    path("team/registry/<int:number>/forget/", team_views.forget_registry, name="team_registry_forget"),
]
