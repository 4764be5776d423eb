"""URLs of the Data page."""

from django.urls import path

from submissions.data_files import views

PLACE = "challenges/<slug:slug>/data/"

urlpatterns = [
    path(PLACE, views.data_page, name="challenge_data"),
    path(f"{PLACE}add", views.add_file, name="data_file_add"),
    path(f"{PLACE}<int:pk>/withdraw", views.withdraw_file, name="data_file_withdraw"),
    path(f"{PLACE}<int:pk>/<str:name>", views.data_file, name="data_file"),
]
