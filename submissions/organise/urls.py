"""URLs of the organiser's pages."""

from django.urls import path

from submissions.organise import participants, views
from submissions.organise.imports import views as imports
from submissions.organise.phases import views as phases

urlpatterns = [
    path("organise/", views.home, name="organise"),
    path("organise/challenges/new/", views.new, name="organise_challenge_new"),
    path("organise/challenges/<slug:slug>/", views.challenge_page, name="organise_challenge"),
    path("organise/challenges/<slug:slug>/edit/", views.edit, name="organise_challenge_edit"),
    path("organise/challenges/<slug:slug>/publish/", views.publish, name="organise_challenge_publish"),
    path("organise/challenges/<slug:slug>/people/", views.people, name="organise_challenge_people"),
    path("organise/challenges/<slug:slug>/requests/", participants.answer_request, name="organise_challenge_request"),
    path("organise/challenges/<slug:slug>/phases/new/", phases.new_phase, name="organise_phase_new"),
    path("organise/phases/<slug:slug>/", phases.edit_phase, name="organise_phase"),
    path("organise/phases/<slug:slug>/end/", phases.end, name="organise_phase_end"),
    path("organise/phases/<slug:slug>/preview/", phases.preview, name="organise_phase_preview"),
    path("organise/columns/", views.columns, name="organise_columns"),
    path("organise/datasets/new/", imports.new_import, name="dataset_import_new"),
    path("organise/datasets/<int:dataset>/", imports.dataset_page, name="organise_dataset"),
    path("organise/datasets/<int:dataset>/publish/", imports.publish_dataset, name="organise_dataset_publish"),
    path("organise/imports/<uuid:pk>/", imports.import_page, name="dataset_import"),
    path("organise/imports/<uuid:pk>/progress/", imports.import_progress, name="dataset_import_progress"),
    path("organise/imports/<uuid:pk>/again/", imports.import_again, name="dataset_import_again"),
    path("organise/imports/<uuid:pk>/stop/", imports.import_stop, name="dataset_import_stop"),
]
