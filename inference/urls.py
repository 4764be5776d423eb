"""URLs of the inference pages, and the addresses that older clients use."""

from django.urls import path, re_path

from inference.api.feedback import FeedbackViewSet
from inference.api.views import LesionViewSet, SliceViewSet
from inference.web import drift_pages, feedback_pages, review_pages, try_pages

# The same views as below /api/v1/; the schema lists them only once.
lesion = LesionViewSet.as_view({"post": "create"}, schema=None)
slices = SliceViewSet.as_view({"post": "create"}, schema=None)
feedback = FeedbackViewSet.as_view({"post": "create"}, schema=None)

urlpatterns = [
    path("apitest/v1/predict/lesion", lesion, name="apitest_predict_lesion"),
    re_path(r"^predict/?$", slices, name="predict"),
    re_path(r"^feedback/?$", feedback, name="feedback"),
    path("try", try_pages.try_it, name="try_it"),
    path("try/slice", try_pages.try_slice, name="try_slice"),
    path("try/lesion", try_pages.try_lesion, name="try_lesion"),
    path("try/feedback", feedback_pages.feedback_form, name="feedback_form"),
    path("review", review_pages.review, name="review"),
    path("review/<int:pk>", review_pages.review_one, name="review_one"),
    path("review/<int:pk>/picture", review_pages.review_picture, name="review_picture"),
    path("review/undo", review_pages.review_undo, name="review_undo"),
    path("review/statistics", review_pages.review_statistics, name="review_statistics"),
    path("review/export.csv", review_pages.review_csv, name="review_csv"),
    path("review/export.zip", review_pages.review_zip, name="review_zip"),
    path("drift", drift_pages.drift_page, name="drift"),
]
