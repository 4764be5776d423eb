"""URLs of a person's own data."""

from django.urls import path

from submissions.people import views

urlpatterns = [
    path("account/profile/", views.profile, name="profile"),
    path("account/data/", views.own_data, name="own_data"),
    path("account/data/export/", views.export, name="account_export"),
    path("account/data/close/", views.close, name="account_close"),
]
