"""URLs of the team page."""

from django.urls import path

from submissions.teams import owner_views
from submissions.teams import views as team_views

urlpatterns = [
    path("team/", team_views.team, name="team"),
    path("team/create/", team_views.create, name="team_create"),
    path("team/join/", team_views.join, name="team_join"),
    path("team/leave/", team_views.leave, name="team_leave"),
    path("team/return/<int:number>/", team_views.go_back, name="team_return"),
    path("team/code/", owner_views.new_code, name="team_code"),
    path("team/rename/", owner_views.new_name, name="team_rename"),
    path("team/members/<int:number>/remove/", owner_views.remove, name="team_remove"),
    path("team/members/<int:number>/owner/", owner_views.make_owner, name="team_hand_over"),
    path("team/invite/", owner_views.send_invitation, name="team_invite"),
    path("team/invitations/<int:number>/withdraw/", owner_views.withdraw_invitation, name="team_withdraw"),
    path("team/invitation/<str:secret>/", team_views.invitation, name="team_invitation"),
    path("team/registry/", team_views.enter_registry, name="team_registry"),
    path("team/registry/<int:number>/forget/", team_views.forget_registry, name="team_registry_forget"),
]
